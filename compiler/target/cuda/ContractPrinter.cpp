// See ContractPrinter.h. What the members mean stands in device/contract.cuh and
// device/contract_mma.cuh.
#include "compiler/target/cuda/ContractPrinter.h"

#include "compiler/lower/BlockCost.h"
#include "compiler/target/cuda/ContractForms.h"
#include "compiler/target/cuda/ContractRuns.h"
#include "compiler/target/cuda/TilePlaces.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// Prints the struct of one contraction.
class ContractPrinter {
public:
  ContractPrinter(kernel::ContractOp op, StringRef structName, PointerOf pointerOf,
                  const Scratch &scratch)
      : op(op), structName(structName), pointerOf(pointerOf), scratch(scratch),
        tile{(*op.getTile())[0], (*op.getTile())[1]}, group(op.getGroup()),
        interleave(interleaveOf(op)), mma(usesTensorCores(op)) {}

  LogicalResult print(Lines &lines) {
    nameDims();
    if (failed(findOperands()))
      return failure();
    lines.block("struct " + structName, [&] { printMembers(lines); }, "};");
    return failure(hasFailed);
  }

  /// The struct with its members, as an expression.
  std::string instance() const {
    return (structName + "{" + llvm::join(members, ", ") + "}").str();
  }

private:
  using Place = ContractPlace;

  /// `value` in global memory, or in scratch where it lies there.
  FailureOr<Place> placeOf(Value value, unsigned map, bool inScratch) {
    auto found =
        operandOf(op, inScratch ? "" : pointerOf(value), value, op.getMap(map), op.getSizes());
    if (failed(found))
      return failure();
    Place place{*found, names, std::nullopt, op.getM(), op.getN()};
    if (inScratch) {
      place.scratch = scratch.lookup(value);
      place.operand.pointer = place.scratch->name();
      place.names[op.getM()] = "(m - m0)";
    }
    declare(place.operand, inScratch ? "" : "__restrict__ ",
            inScratch || llvm::is_contained(op.getResults(), value));
    return place;
  }

  void declare(const Operand &operand, StringRef qualifier, bool isWritten) {
    if (!seen.insert(operand.pointer).second)
      return;
    declarations.push_back(
        ((isWritten ? "" : "const ") + operand.type() + " *" + qualifier + operand.pointer + ";")
            .str());
    members.push_back(operand.pointer);
  }

  LogicalResult findOperands() {
    auto find = [&](Value value, unsigned map, Place &place) {
      auto found = placeOf(value, map, scratch.contains(value));
      if (succeeded(found))
        place = *found;
      return success(succeeded(found));
    };
    extras.resize(op.getExtras().size());
    if (failed(find(op.getLhs(), kernel::ContractOp::LhsMap, lhs)) ||
        failed(find(op.getRhs(), kernel::ContractOp::RhsMap, rhs)))
      return failure();
    for (auto [i, extra] : llvm::enumerate(op.getExtras()))
      if (failed(find(extra, kernel::ContractOp::FirstExtraMap + i, extras[i])))
        return failure();
    results.resize(op.getResults().size());
    for (auto [i, result] : llvm::enumerate(op.getResults()))
      for (bool inScratch : {false, true}) {
        if (inScratch ? !scratch.contains(result) : pointerOf(result).empty())
          continue;
        auto place = placeOf(result, kernel::ContractOp::ResultMap, inScratch);
        if (failed(place))
          return failure();
        results[i].push_back(*place);
      }
    if (!scratch.empty()) {
      declarations.push_back("int m0; // the block's first row");
      members.push_back("m0");
    }
    return success();
  }

  /// The dimensions of the iteration space as the members call them.
  void nameDims() {
    ArrayRef<int64_t> batch = op.getSizes().drop_back(3);
    int64_t after = llvm::product_of(batch);
    for (auto [i, size] : llvm::enumerate(batch)) {
      after /= size;
      std::string name = after == 1 ? "batch" : "batch / " + std::to_string(after);
      if (i > 0)
        name += " % " + std::to_string(size);
      names.push_back(name == "batch" ? name : "(" + name + ")");
    }
    names.append({"m", "n", "k"});
  }

  int64_t sizeOf(unsigned dim) { return op.getSizes()[dim]; }
  int64_t ofGroup(const Place &place) { return group == 1 ? 0 : along(place, op.getN()); }

  static int64_t unitOf(Form form, Form runs) { return form == runs ? RunElements : 1; }

  /// How lhs and rhs are reached: elements or addresses of runs, in the order of memory.
  void printOperands(Lines &lines) {
    unsigned m = op.getM(), n = op.getN(), k = op.getK();
    Form lhsIs = mma ? lhsForm(op, lhs) : Form::Elements,
         rhsIs = mma ? rhsForm(op, rhs) : Form::Elements;
    int64_t step = mma ? 32 : 8;
    if (interleave > 1)
      lines.add("static constexpr int Interleave = " + Twine(interleave) + ";");
    else if (mma)
      lines.add("static constexpr Form LhsForm = Form::" + nameOf(lhsIs) +
                ", RhsForm = Form::" + nameOf(rhsIs) + ";");
    if (mma)
      lines.add("static constexpr long long LhsStep = " + Twine(stepOf(lhs)) +
                ", RhsStep = " + Twine(stepOf(rhs)) + ";");
    StringRef type = mma ? lhs.operand.type() : "float";
    auto print = [&](StringRef name, const Place &place, Form form, StringRef parameters) {
      if (form == Form::Elements)
        lines.block("__device__ " + type + " " + name + "(" + parameters + ") const",
                    [&] { lines.add("return " + place.load() + ";"); });
      else
        lines.block("__device__ const " + type + " *" + name + "At(" + parameters + ") const", [&] {
          lines.add("return " + place.operand.pointer + " + (" + place.index(place.names) + ");");
        });
    };
    lhs.names[n] = "g";
    if (interleave > 1) { // units are counted by the template
      print("lhs", lhs, Form::RunsOfRows, "int batch, int g, int m, int k");
      print("rhs", rhs, Form::RunsOfRows, "int batch, int n, int k");
      return;
    }
    // Neighbours in a group and along K, 8 together, then rows: device/contract.cuh keeps these in
    // different banks.
    bool interleaved =
        !mma && group > 1 && group < 8 && ofGroup(lhs) == 1 && along(lhs, k) == group;
    if (interleaved)
      printPlace(
          lines, "lhsPlace",
          {{"g", group, 0}, {"k", 8 / group, 0}, {"m", tile.bm, 0}, {"k", group, 0, 1, 8 / group}},
          Order::AsGiven);
    else
      printPlace(lines, "lhsPlace",
                 {{"g", group, ofGroup(lhs)},
                  {"m", tile.bm, along(lhs, m), unitOf(lhsIs, Form::RunsOfRows)},
                  {"k", step, along(lhs, k), unitOf(lhsIs, Form::RunsOfK)}});
    if (lhsIs == Form::Scratch)
      printScratchRow(lines);
    else
      print("lhs", lhs, lhsIs, "int batch, int g, int m, int k");
    // A sector of columns, which stay together in shared memory, then 8 of K, which its swizzle
    // spreads over the banks.
    int64_t own = tile.bn / group % 16 == 0 ? 16 : 8;
    if (rhsIs == Form::RunsOfRows && group > 1)
      printPlace(lines, "rhsPlace",
                 {{"j", own, 0, RunElements},
                  {"k", 8, 0},
                  {"j", tile.bn / group / own, 0, 1, own},
                  {"k", step / 8, 0, 1, 8},
                  {"g", group, 0}},
                 Order::AsGiven);
    else
      printPlace(lines, "rhsPlace",
                 {{"g", group, ofGroup(rhs)},
                  {"j", tile.bn / group, along(rhs, n, group), unitOf(rhsIs, Form::RunsOfRows)},
                  {"k", step, along(rhs, k), unitOf(rhsIs, Form::RunsOfK)}});
    print("rhs", rhs, rhsIs, "int batch, int n, int k");
  }

  /// Elements from one step of K to the next; 0 where that is not always the same.
  int64_t stepOf(const Place &place) {
    constexpr int64_t step = 32;
    int64_t size = sizeOf(op.getK()), first = along(place, op.getK(), step);
    for (int64_t k = 0; k + step < size; k += step)
      if (along(place, op.getK(), k + step) - along(place, op.getK(), k) != first)
        return 0;
    return size > step ? first : 0;
  }

  /// Where k = 0 of a row of the block begins.
  void printScratchRow(Lines &lines) {
    lines.add("static constexpr int LhsRow = " + Twine(lhs.scratch->stride) + ";");
    lines.block("__device__ const " + lhs.operand.type() + " *lhsBase() const",
                [&] { lines.add("return " + lhs.operand.pointer + ";"); });
    lines.block("static __device__ int lhsRow(int batch, int g, int row)", [&] {
      SmallVector<std::string> at(lhs.names);
      at[op.getM()] = "row";
      at[op.getK()] = "0";
      lines.add("return " + lhs.index(at) + ";");
    });
  }

  void printMembers(Lines &lines) {
    unsigned m = op.getM(), n = op.getN();
    lines.add(
        llvm::formatv("static constexpr int Batches = {0}, M = {1}, N = {2}, K = {3}, Group = {4};",
                      llvm::product_of(op.getSizes().drop_back(3)), sizeOf(m), sizeOf(n),
                      sizeOf(op.getK()), group));
    WarpShares shares(tile, mma, group, interleave);
    lines.add(llvm::formatv("static constexpr int BM = {0}, BN = {1}, WarpsM = {2}, WarpsN = {3};",
                            tile.bm, tile.bn, shares.warpsM, shares.warpsN));
    if (mma)
      lines.add("using Element = " + lhs.operand.type() + ";");
    for (const std::string &declaration : declarations)
      lines.add(declaration);
    lines.blank();
    printOperands(lines);
    const Place &result = results[0].front();
    bool inOrderOfN = group == 1 || along(result, n) < along(result, n, group);
    if (mma) {
      RunsOfResults runs{op, tile, extras, results,
                         interleave > 1 || rhsForm(op, rhs) == Form::RunsOfRows};
      if (!runs.print(lines, inOrderOfN, hasFailed))
        printStore(lines);
    } else {
      printOrder(lines, inOrderOfN);
      printStore(lines);
    }
    printOutside(lines);
  }

  /// Results wait for being stored in the order of n, or group by group.
  void printOrder(Lines &lines, bool inOrderOfN) {
    int64_t columns = tile.bn / group;
    std::string c = "c";
    std::string toN =
        group == 1 ? c : llvm::formatv("c % {0} * {1} + c / {0}", columns, group).str();
    lines.add("static __device__ int resultColumn(int c) { return " + (inOrderOfN ? toN : c) +
              "; }");
    lines.add("static __device__ int resultN(int c) { return " + (inOrderOfN ? c : toN) + "; }");
  }

  void printStore(Lines &lines) {
    lines.block("__device__ void store(int batch, int m, int n, float sum) const",
                [&] { printEpilogue(lines); });
  }

  void printEpilogue(Lines &lines) {
    ScalarPrinter scalars(lines);
    Block &block = op.getEpilogue().front();
    scalars.name(block.getArgument(0), "sum");
    for (auto [i, extra] : llvm::enumerate(extras))
      scalars.define(block.getArgument(1 + i), extra.load());
    SmallVector<std::string> values;
    for (Value value : block.getTerminator()->getOperands())
      values.push_back(scalars.use(value));
    for (auto [places, value] : llvm::zip(results, values))
      for (const Place &place : places)
        lines.add(place.store(value));
    hasFailed |= scalars.failed();
  }

  /// What mma reads of rows past the last one must be numbers, though nobody stores what comes of
  /// them: zeros.
  void printOutside(Lines &lines) {
    bool clears = false;
    for (auto &places : results)
      for (const Place &place : places)
        clears |=
            place.scratch && !place.operand.element.isF32() && sizeOf(op.getM()) % tile.bm != 0;
    lines.add(Twine("static constexpr bool ClearsOutside = ") + (clears ? "true;" : "false;"));
    if (!clears)
      return;
    lines.block("__device__ void clear(int batch, int m, int n) const", [&] {
      for (auto &places : results)
        for (const Place &place : places)
          if (place.scratch)
            lines.add(place.element(place.names) + " = " + place.operand.type() + "(0);");
    });
  }

  kernel::ContractOp op;
  StringRef structName;
  PointerOf pointerOf;
  const Scratch &scratch;
  BlockTile tile;
  int64_t group, interleave;
  bool mma;
  SmallVector<std::string> names;
  Place lhs, rhs;
  std::vector<Place> extras;
  std::vector<std::vector<Place>> results; ///< where each is stored
  SmallVector<std::string> declarations, members;
  llvm::StringSet<> seen; ///< one tensor may be several operands
  bool hasFailed = false;
};

} // namespace

FailureOr<std::string> cuda::printContract(Lines &lines, kernel::ContractOp op,
                                           StringRef structName, PointerOf pointerOf,
                                           const Scratch &scratch) {
  ContractPrinter printer(op, structName, pointerOf, scratch);
  if (failed(printer.print(lines)))
    return failure();
  return printer.instance();
}
