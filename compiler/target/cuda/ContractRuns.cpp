// See ContractRuns.h.
#include "compiler/target/cuda/ContractRuns.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// How results leave registers: Order in device/mma.cuh.
enum class ResultOrder { Groups, GroupsExchanged, Pairs, Exchanged, Plain };

StringRef nameOf(ResultOrder order) {
  constexpr StringLiteral names[] = {"Groups", "GroupsExchanged", "Pairs", "Exchanged", "Plain"};
  return names[size_t(order)];
}

} // namespace

/// An operand of the epilogue that all rows share, and has no place in scratch.
bool RunsOfResults::isOfColumns(const ContractPlace &extra) {
  return !extra.scratch && !extra.operand.access.offset.uses(op.getM()) &&
         extra.operand.access.guards.empty();
}

/// What all rows share, read once a run of columns. Threads read what is 8 floats and more
/// together: one by one they would read half a sector at a time.
void RunsOfResults::printColumns(Lines &lines, ResultRun run) {
  bool whole = run.count > 1;
  lines.block(
      "struct Columns",
      [&] {
        for (auto [i, extra] : llvm::enumerate(extras))
          if (whole && isOfColumns(extra))
            lines.add(extra.operand.type() + " x" + Twine(i) + "[" + Twine(run.count) + "];");
      },
      "};");
  lines.block("__device__ void findColumns(int batch, int n, Columns &columns) const", [&] {
    int64_t size = columns();
    bool isWhole = size % tile.bn == 0;
    for (auto [i, extra] : llvm::enumerate(extras)) {
      if (!whole || !isOfColumns(extra))
        continue;
      std::string name = "columns.x" + std::to_string(i), from = "from" + std::to_string(i);
      auto distances = extra.distances(run, size);
      bool isSpread = run.count >= 8 && run.step == 1 && extra.operand.element.isF32() &&
                      distances && distances->away.back() == run.count - 1;
      if (isSpread) {
        lines.add("const int first" + Twine(i) + " = n - threadIdx.x % 4 * " + Twine(run.count) +
                  ";");
        SmallVector<std::string> at(extra.names);
        at[op.getN()] = "first" + std::to_string(i);
        lines.add("loadSpread(" + extra.operand.pointer + " + (" + extra.index(at) + "), N - " +
                  at[op.getN()] + ", " + name + ");");
        continue;
      }
      if (!isWhole)
        lines.add("if (n < N)");
      lines.block("", [&] { printRunLoad(lines, extra, run, size, name, from); });
    }
  });
}

void RunsOfResults::printStore(Lines &lines, ResultRun run, bool &hasFailed) {
  std::string count = std::to_string(run.count);
  lines.block("__device__ void store(int batch, int m, int n, const Columns &columns, const "
              "float (&sums)[" +
                  count + "]) const",
              [&] {
                SmallVector<std::string> loaded;
                for (auto [i, extra] : llvm::enumerate(extras)) {
                  std::string name = "x" + std::to_string(i);
                  if (isOfColumns(extra)) {
                    loaded.push_back("columns." + name + "[e]");
                    continue;
                  }
                  auto distances = extra.distances(run, columns());
                  if (distances && distances->isOne()) {
                    lines.add("const " + extra.operand.type() + " " + name + " = " +
                              extra.element(extra.names) + ";");
                    loaded.push_back(name);
                    continue;
                  }
                  lines.add(extra.operand.type() + " " + name + "[" + count + "];");
                  printRunLoad(lines, extra, run, columns(), name, "from" + std::to_string(i));
                  loaded.push_back(name + "[e]");
                }
                for (auto [i, places] : llvm::enumerate(results))
                  lines.add(places.front().operand.type() + " y" + Twine(i) + "[" + count + "];");
                lines.add("#pragma unroll");
                lines.block("for (int e = 0; e < " + count + "; ++e)", [&] {
                  ScalarPrinter scalars(lines);
                  Block &block = op.getEpilogue().front();
                  scalars.name(block.getArgument(0), "sums[e]");
                  for (auto [i, name] : llvm::enumerate(loaded))
                    scalars.name(block.getArgument(1 + i), name);
                  for (auto [i, value] : llvm::enumerate(block.getTerminator()->getOperands()))
                    lines.add("y" + Twine(i) + "[e] = " + scalars.use(value) + ";");
                  hasFailed |= scalars.failed();
                });
                for (auto [i, places] : llvm::enumerate(results))
                  for (auto [j, place] : llvm::enumerate(places))
                    printRunStore(lines, place, run, columns(), "y" + std::to_string(i),
                                  "to" + std::to_string(i) + (j ? "s" : ""));
              });
}

/// How results leave registers on tensor cores. `hasPairs`: a warp has an even number of tiles of
/// a group.
bool RunsOfResults::print(Lines &lines, bool inOrderOfN, bool &hasFailed) {
  int64_t group = op.getGroup();
  bool hasPairs = WarpShares(tile, true, group).tn / group % 2 == 0;
  ResultOrder order = ResultOrder::Plain;
  if (group > 1 && inOrderOfN)
    order = ResultOrder::Groups;
  else if (hasPairs)
    order = rhsIsTransposed ? ResultOrder::Exchanged : ResultOrder::Pairs;
  // A sector of 32 bytes should be one access: 2 neighbours of 4 bytes fill it, 8 are too many.
  auto hasResult = [&](unsigned bits) {
    return llvm::any_of(results, [&](const auto &places) {
      return places.front().operand.element.getIntOrFloatBitWidth() == bits;
    });
  };
  if (order == ResultOrder::Exchanged && !hasResult(16))
    order = ResultOrder::Plain;
  if (order == ResultOrder::Groups && group == 4 && hasResult(32))
    order = ResultOrder::GroupsExchanged;
  ResultRun run = order == ResultOrder::Groups            ? ResultRun{2 * group, 1}
                  : order == ResultOrder::GroupsExchanged ? ResultRun{group, 1}
                  : order == ResultOrder::Plain           ? ResultRun{2, group}
                                                          : ResultRun{4, group};
  bool isWhole = columns() % (run.count * run.step) == 0;
  lines.add("static constexpr Order ResultOrder = Order::" + nameOf(order) + ";");
  lines.add("static constexpr int Run = " + Twine(isWhole ? run.count : 1) + ";");
  printColumns(lines, isWhole ? run : ResultRun());
  if (isWhole)
    printStore(lines, run, hasFailed);
  return isWhole;
}
