// See ContractForms.h.
#include "compiler/target/cuda/ContractForms.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;
using kernel::ContractOp;

StringRef cuda::nameOf(Form form) {
  constexpr StringLiteral names[] = {"Elements", "RunsOfK", "RunsOfRows", "Interleaved", "Scratch"};
  return names[size_t(form)];
}

/// Whether 8 elements from a multiple of 8 on lie side by side, all inside or all outside: along
/// `dim` (or, where rows of a group are neighbours, along n floordiv group).
static bool hasRuns(ContractOp op, const ContractPlace &place, unsigned dim,
                    AccessTerm::Kind kind) {
  int64_t group = op.getGroup();
  if (place.scratch || !place.operand.access.guards.empty() ||
      place.operand.access.offset.constant % RunElements != 0)
    return false;
  int64_t step = kind == AccessTerm::Div ? group : 1;
  bool found = false;
  for (const AccessTerm &term : place.operand.access.offset.terms) {
    bool isRun = term.dim == dim && term.kind == kind && term.coefficient == 1 &&
                 (kind == AccessTerm::Plain || term.group == group);
    found |= isRun;
    if (!isRun && term.coefficient % RunElements != 0)
      return false;
  }
  return found && op.getSizes()[dim] % (RunElements * step) == 0;
}

/// Whether the lhs has its groups side by side, and K behind them.
static bool isInterleaved(ContractOp op, const ContractPlace &lhs) {
  int64_t group = op.getGroup();
  const AccessSum &offset = lhs.operand.access.offset;
  if (group == 1 || !lhs.operand.access.guards.empty() || offset.constant % RunElements != 0 ||
      op.getSizes()[op.getK()] * group % RunElements != 0 || offset.plain(op.getK()) != group)
    return false;
  bool hasGroups = false;
  for (const AccessTerm &term : offset.terms) {
    bool isGroup = term.dim == op.getN() && term.kind == AccessTerm::Mod && term.group == group &&
                   term.coefficient == 1;
    bool isK = term.dim == op.getK() && term.kind == AccessTerm::Plain;
    hasGroups |= isGroup;
    if (!isGroup && !isK && (term.dim == op.getN() || term.coefficient % RunElements != 0))
      return false;
  }
  return hasGroups;
}

Form cuda::lhsForm(ContractOp op, const ContractPlace &lhs) {
  int64_t group = op.getGroup();
  if (lhs.scratch) {
    // In place: sums begin at multiples of 16 bytes, and K ends with an mma.
    bool direct = lhs.scratch->group == group && op.getSizes()[op.getK()] % 16 == 0 &&
                  lhs.operand.access.guards.empty() &&
                  along(lhs, op.getK()) == (group == 1 ? 1 : group) &&
                  (group == 1 || along(lhs, op.getN()) == 1);
    for (unsigned i = 0; i < op.getNumBatch(); ++i)
      direct &= along(lhs, i) % (RunElements * group) == 0;
    return direct ? Form::Scratch : Form::Elements;
  }
  return hasRuns(op, lhs, op.getK(), AccessTerm::Plain)   ? Form::RunsOfK
         : hasRuns(op, lhs, op.getM(), AccessTerm::Plain) ? Form::RunsOfRows
         : isInterleaved(op, lhs)                         ? Form::Interleaved
                                                          : Form::Elements;
}

Form cuda::rhsForm(ContractOp op, const ContractPlace &rhs) {
  int64_t group = op.getGroup();
  if (hasRuns(op, rhs, op.getK(), AccessTerm::Plain))
    return Form::RunsOfK;
  bool runs = hasRuns(op, rhs, op.getN(), group == 1 ? AccessTerm::Plain : AccessTerm::Div);
  return runs ? Form::RunsOfRows : Form::Elements;
}
