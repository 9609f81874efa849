// See ContractPlace.h.
#include "compiler/target/cuda/ContractPlace.h"

#include "compiler/target/cuda/TilePlaces.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

/// The sum without the terms of a dimension.
static AccessSum without(AccessSum sum, unsigned dim) {
  llvm::erase_if(sum.terms, [&](const AccessTerm &term) { return term.dim == dim; });
  return sum;
}

std::string ContractPlace::index(Names at) const {
  if (!scratch)
    return operand.place(at);
  std::string row = at[rowDim] + " * " + std::to_string(scratch->stride) + " + ";
  std::string c = printSum(without(operand.access.offset, rowDim), at);
  if (scratch->group == 1)
    return row + c;
  return row + llvm::formatv("({0}) % {1} * {2} + ({0}) / {1}", c, scratch->group,
                             scratch->columns / scratch->group)
                   .str();
}

int64_t ContractPlace::scratchIndex(int64_t column) const {
  int64_t group = scratch->group;
  return group == 1 ? column : column % group * (scratch->columns / group) + column / group;
}

std::string ContractPlace::load() const {
  std::string condition = operand.guard(names);
  return condition.empty()
             ? element(names)
             : "(" + condition + " ? " + element(names) + " : " + operand.type().str() + "(0))";
}

std::string ContractPlace::store(const Twine &value) const {
  std::string condition = operand.guard(names);
  return (condition.empty() ? "" : "if (" + condition + ") ") + element(names) + " = " +
         value.str() + ";";
}

std::optional<ContractPlace::Distances> ContractPlace::distances(ResultRun run,
                                                                 int64_t columns) const {
  if (!operand.access.guards.empty())
    return std::nullopt;
  const AccessSum &offset = operand.access.offset;
  Distances result;
  result.alignment = 8;
  auto align = [&](int64_t to) {
    while (to % result.alignment != 0)
      result.alignment /= 2;
  };
  // Other dimensions move the first element, but must not change what lies behind it.
  int64_t whole = scratch ? scratch->group : 1;
  for (const AccessTerm &term : offset.terms) {
    if (term.dim == columnDim || (scratch && term.dim == rowDim))
      continue;
    if (term.coefficient % whole != 0)
      return std::nullopt;
    align(term.coefficient / whole);
  }
  if (scratch)
    align(scratch->stride);
  int64_t constant = scratch ? offset.constant : 0;
  align(scratch ? 0 : offset.constant);
  auto indexAt = [&](int64_t n) {
    int64_t value = constant + valueAt(offset, columnDim, n);
    return scratch ? scratchIndex(value) : value;
  };
  for (int64_t first = 0; first < columns; first += run.count * run.step)
    for (int64_t n = first; n < first + run.step; ++n) {
      int64_t base = indexAt(n);
      align(base);
      for (int64_t e = 0; e < run.count; ++e) {
        int64_t away = indexAt(n + e * run.step) - base;
        if (int64_t(result.away.size()) <= e)
          result.away.push_back(away);
        else if (result.away[size_t(e)] != away)
          return std::nullopt;
      }
    }
  return result;
}

/// The names of the point of the e-th element.
static SmallVector<std::string> pointOf(const ContractPlace &place, ResultRun run, int64_t e) {
  SmallVector<std::string> at(place.names);
  if (e > 0)
    at[place.columnDim] = "(" + at[place.columnDim] + " + " + std::to_string(e * run.step) + ")";
  return at;
}

/// Calls access(first, elements) for groups of elements that lie side by side, as many as one
/// access can have.
static void forAccesses(const ContractPlace::Distances &distances, int64_t widest,
                        function_ref<void(int64_t, ArrayRef<int64_t>)> access) {
  SmallVector<int64_t> order =
      llvm::to_vector(llvm::seq<int64_t>(0, int64_t(distances.away.size())));
  llvm::sort(order, [&](int64_t a, int64_t c) {
    return distances.away[size_t(a)] < distances.away[size_t(c)];
  });
  for (size_t i = 0; i < order.size();) {
    int64_t first = distances.away[size_t(order[i])];
    size_t count = size_t(std::min(widest, distances.alignment));
    auto fits = [&] {
      if (i + count > order.size() || first % int64_t(count) != 0)
        return false;
      for (size_t e = 0; e < count; ++e)
        if (distances.away[size_t(order[i + e])] != first + int64_t(e))
          return false;
      return true;
    };
    while (count > 1 && !fits())
      count /= 2;
    access(first, ArrayRef(order).slice(i, count));
    i += count;
  }
}

static int64_t widestOf(const ContractPlace &place) {
  return place.operand.element.getIntOrFloatBitWidth() == 16   ? 8
         : place.operand.element.getIntOrFloatBitWidth() == 32 ? 4
                                                               : 1;
}

static std::string list(StringRef values, ArrayRef<int64_t> elements) {
  std::string text;
  for (int64_t e : elements)
    text += ", " + values.str() + "[" + std::to_string(e) + "]";
  return text;
}

void cuda::printRunLoad(Lines &lines, const ContractPlace &place, ResultRun run, int64_t columns,
                        StringRef values, StringRef name) {
  auto distances = place.distances(run, columns);
  if (distances) {
    lines.add("const " + place.operand.type() + " *" + name + " = " + place.operand.pointer +
              " + (" + place.index(place.names) + ");");
    forAccesses(*distances, widestOf(place), [&](int64_t first, ArrayRef<int64_t> elements) {
      std::string from = name.str() + " + " + std::to_string(first);
      if (elements.size() == 1)
        lines.add(values + "[" + Twine(elements.front()) + "] = " + "*(" + from + ");");
      else
        lines.add("load" + Twine(elements.size()) + "(" + from + list(values, elements) + ");");
    });
    return;
  }
  for (int64_t e = 0; e < run.count; ++e) {
    ContractPlace own = place;
    own.names = pointOf(place, run, e);
    lines.add(values + "[" + Twine(e) + "] = " + own.load() + ";");
  }
}

void cuda::printRunStore(Lines &lines, const ContractPlace &place, ResultRun run, int64_t columns,
                         StringRef values, StringRef name) {
  auto distances = place.distances(run, columns);
  if (distances) {
    lines.add(place.operand.type() + " *" + name + " = " + place.operand.pointer + " + (" +
              place.index(place.names) + ");");
    forAccesses(*distances, widestOf(place), [&](int64_t first, ArrayRef<int64_t> elements) {
      std::string to = name.str() + " + " + std::to_string(first);
      if (elements.size() == 1)
        lines.add("*(" + to + ") = " + values + "[" + Twine(elements.front()) + "];");
      else
        lines.add("store" + Twine(elements.size()) + "(" + to + list(values, elements) + ");");
    });
    return;
  }
  for (int64_t e = 0; e < run.count; ++e) {
    ContractPlace own = place;
    own.names = pointOf(place, run, e);
    lines.add(own.store(values + "[" + Twine(e) + "]"));
  }
}
