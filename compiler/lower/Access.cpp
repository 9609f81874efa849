// Affine maps taken apart into strides, groups and guards.
#include "compiler/lower/Access.h"

#include "mlir/IR/AffineExpr.h"

using namespace mlir;
using namespace danaus;

int64_t AccessTerm::reach(int64_t size) const {
  switch (kind) {
  case Plain:
    return coefficient * (size - 1);
  case Mod:
    return coefficient * (std::min(group, size) - 1);
  case Div:
    return coefficient * ((size - 1) / group);
  }
  return 0;
}

bool AccessSum::uses(unsigned dim) const {
  return llvm::any_of(terms, [&](const AccessTerm &term) { return term.dim == dim; });
}

int64_t AccessSum::plain(unsigned dim) const {
  for (const AccessTerm &term : terms)
    if (term.dim == dim && term.kind == AccessTerm::Plain)
      return term.coefficient;
  return 0;
}

int64_t AccessSum::maximum(ArrayRef<int64_t> sizes) const {
  int64_t sum = constant;
  for (const AccessTerm &term : terms)
    sum += term.reach(sizes[term.dim]);
  return sum;
}

void AccessSum::add(const AccessTerm &term) {
  if (term.coefficient == 0)
    return;
  for (AccessTerm &own : terms)
    if (own.dim == term.dim && own.kind == term.kind && own.group == term.group) {
      own.coefficient += term.coefficient;
      return;
    }
  terms.push_back(term);
}

namespace {
/// Adds factor * expr to the sum; false where expr is not a sum of terms.
bool collect(AffineExpr expr, int64_t factor, AccessSum &sum) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    sum.constant += factor * constant.getValue();
    return true;
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    sum.add({AccessTerm::Plain, dim.getPosition(), 1, factor});
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return collect(binary.getLHS(), factor, sum) && collect(binary.getRHS(), factor, sum);
  auto scale = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!scale)
    return false;
  if (expr.getKind() == AffineExprKind::Mul)
    return collect(binary.getLHS(), factor * scale.getValue(), sum);
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  if (!dim || (expr.getKind() != AffineExprKind::Mod && expr.getKind() != AffineExprKind::FloorDiv))
    return false;
  auto kind = expr.getKind() == AffineExprKind::Mod ? AccessTerm::Mod : AccessTerm::Div;
  sum.add({kind, dim.getPosition(), scale.getValue(), factor});
  return true;
}

/// d mod g + g * (d floordiv g) is d: the form in which later questions are easy.
void simplify(AccessSum &sum) {
  for (size_t i = 0; i < sum.terms.size(); ++i)
    for (size_t j = 0; j < sum.terms.size(); ++j) {
      AccessTerm a = sum.terms[i], b = sum.terms[j];
      if (a.kind == AccessTerm::Mod && b.kind == AccessTerm::Div && a.dim == b.dim &&
          a.group == b.group && b.coefficient == a.coefficient * a.group) {
        sum.terms.erase(sum.terms.begin() + std::max(i, j));
        sum.terms.erase(sum.terms.begin() + std::min(i, j));
        sum.add({AccessTerm::Plain, a.dim, 1, a.coefficient});
        return simplify(sum);
      }
    }
}
} // namespace

std::optional<Access> Access::of(AffineMap map, ArrayRef<int64_t> shape, ArrayRef<int64_t> sizes) {
  Access access;
  int64_t stride = 1;
  for (unsigned i = map.getNumResults(); i-- > 0;) {
    AccessSum index;
    if (!collect(map.getResult(i), 1, index))
      return std::nullopt;
    simplify(index);
    if (index.minimum() < 0 || index.maximum(sizes) >= shape[i])
      access.guards.push_back({index, shape[i]});
    for (AccessTerm term : index.terms) {
      term.coefficient *= stride;
      access.offset.add(term);
    }
    access.offset.constant += index.constant * stride;
    stride *= shape[i];
  }
  simplify(access.offset);
  return access;
}

Access::Motion Access::along(unsigned dim) const {
  if (!offset.uses(dim))
    return Motion::None;
  for (const AccessTerm &term : offset.terms)
    if (term.dim == dim && term.kind != AccessTerm::Plain)
      return Motion::Irregular;
  return offset.plain(dim) == 1 ? Motion::Unit : Motion::Strided;
}
