// kernel.contract and chains of them: the structs that the template in device/contract.cuh is made for.
#include "compiler/lower/BlockCost.h"
#include "compiler/target/cuda/EmitKernels.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// A dimension of a tile: what it is called in code, how far it goes, and how far apart neighbours
/// along it lie in memory.
struct TileDim {
  StringRef name;
  int64_t extent, stride;
};

/// `static void NAME(int e, int &a, int &c, int &d)`: element e of a tile in the order of memory.
void printPlace(Lines &lines, StringRef name, SmallVector<TileDim, 3> dims) {
  std::string signature = ("static __device__ void " + name + "(int e").str();
  for (const TileDim &dim : dims)
    signature += (", int &" + dim.name).str();
  // What does not move (stride 0) last: its neighbours read the same element.
  llvm::stable_sort(dims, [](const TileDim &a, const TileDim &c) {
    return uint64_t(a.stride - 1) < uint64_t(c.stride - 1);
  });
  lines.block(signature + ")", [&] {
    int64_t before = 1;
    for (const TileDim &dim : dims) {
      std::string own = before == 1 ? "e" : "e / " + std::to_string(before);
      lines.add(dim.name + " = " +
                (&dim == &dims.back() ? own : own + " % " + std::to_string(dim.extent)) + ";");
      before *= dim.extent;
    }
  });
}

int64_t valueAt(const AccessSum &sum, unsigned dim, int64_t index) {
  int64_t value = 0;
  for (const AccessTerm &term : sum.terms)
    if (term.dim == dim)
      value += term.coefficient * (term.kind == AccessTerm::Plain ? index
                                   : term.kind == AccessTerm::Mod ? index % term.group
                                                                  : index / term.group);
  return value;
}

/// Prints the struct of one contraction.
class ContractPrinter {
public:
  ContractPrinter(kernel::ContractOp op, StringRef structName, PointerOf pointerOf,
                  const llvm::MapVector<Value, int64_t> &scratch)
      : op(op), structName(structName), pointerOf(pointerOf), scratch(scratch),
        tile{(*op.getTile())[0], (*op.getTile())[1]}, group(op.getGroup()) {}

  LogicalResult print(Lines &lines) {
    nameDims();
    if (failed(findOperands()))
      return failure();
    lines.block(
        "struct " + structName, [&] { printMembers(lines); }, "};");
    return failure(hasFailed);
  }

  /// The struct with its members, as an expression.
  std::string instance() const {
    return (structName + "{" + llvm::join(members, ", ") + "}").str();
  }

private:
  /// An operand and the names of the dimensions in its index: rows of scratch count from the block's
  /// first.
  struct Place {
    Operand operand;
    SmallVector<std::string> names;

    std::string load() const { return operand.load(names); }
  };

  /// `value` in global memory, or in scratch where it lies there.
  FailureOr<Place> placeOf(Value value, unsigned map, bool inScratch) {
    auto found = operandOf(op, inScratch ? "" : pointerOf(value), value, op.getMap(map), op.getSizes());
    if (failed(found))
      return failure();
    Place place{*found, names};
    if (inScratch) {
      // The same columns with a wider step from row to row; guards as for the value itself.
      int64_t rows = cast<RankedTensorType>(value.getType()).getDimSize(0);
      int64_t columns = cast<RankedTensorType>(value.getType()).getNumElements() / rows;
      for (AccessTerm &term : place.operand.access.offset.terms)
        if (term.dim == op.getM())
          term.coefficient += scratchColumns(value) - columns;
      place.operand.pointer = scratchName(value);
      place.names[op.getM()] = "(m - m0)";
    }
    declare(place.operand, inScratch || llvm::is_contained(op.getResults(), value));
    return place;
  }

  std::string scratchName(Value value) const {
    return "scratch" + std::to_string(scratch.find(value) - scratch.begin());
  }

  void declare(const Operand &operand, bool isWritten) {
    if (!seen.insert(operand.pointer).second)
      return;
    declarations.push_back(
        ((isWritten ? "" : "const ") + operand.type() + " *__restrict__ " + operand.pointer + ";")
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

  void printMembers(Lines &lines) {
    ArrayRef<int64_t> sizes = op.getSizes();
    unsigned m = op.getM(), n = op.getN(), k = op.getK();
    lines.add(llvm::formatv(
        "static constexpr int Batches = {0}, M = {1}, N = {2}, K = {3}, Group = {4};",
        llvm::product_of(sizes.drop_back(3)), sizes[m], sizes[n], sizes[k], group));
    lines.add(llvm::formatv("static constexpr int BM = {0}, BN = {1}, WarpsN = {2};", tile.bm,
                            tile.bn, WarpShares(tile).warpsN));
    for (const std::string &declaration : declarations)
      lines.add(declaration);
    lines.blank();
    auto along = [&](const Place &place, unsigned dim, int64_t index = 1) {
      return valueAt(place.operand.access.offset, dim, index);
    };
    auto ofGroup = [&](const Place &place) { return group == 1 ? 0 : along(place, n); };
    int64_t columns = tile.bn / group;
    printPlace(lines, "lhsPlace",
               {{"g", group, ofGroup(lhs)}, {"m", tile.bm, along(lhs, m)}, {"k", 8, along(lhs, k)}});
    printPlace(lines, "rhsPlace",
               {{"g", group, ofGroup(rhs)},
                {"j", columns, along(rhs, n, group)},
                {"k", 8, along(rhs, k)}});
    const Place &result = results[0].front();
    printOrder(lines, group == 1 || along(result, n) < along(result, n, group));
    lhs.names[n] = "g";
    lines.block("__device__ float lhs(int batch, int g, int m, int k) const",
                [&] { lines.add("return " + lhs.load() + ";"); });
    lines.block("__device__ float rhs(int batch, int n, int k) const",
                [&] { lines.add("return " + rhs.load() + ";"); });
    lines.block("__device__ void store(int batch, int m, int n, float sum) const",
                [&] { printEpilogue(lines); });
  }

  /// Results wait for being stored in the order of n, or group by group.
  void printOrder(Lines &lines, bool inOrderOfN) {
    int64_t columns = tile.bn / group;
    std::string c = "c";
    std::string toN = group == 1 ? c : llvm::formatv("c % {0} * {1} + c / {0}", columns, group).str();
    lines.add("static __device__ int resultColumn(int c) { return " + (inOrderOfN ? toN : c) + "; }");
    lines.add("static __device__ int resultN(int c) { return " + (inOrderOfN ? c : toN) + "; }");
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
        lines.add(place.operand.store(place.names, value));
    hasFailed |= scalars.failed();
  }

  kernel::ContractOp op;
  StringRef structName;
  PointerOf pointerOf;
  const llvm::MapVector<Value, int64_t> &scratch;
  BlockTile tile;
  int64_t group;
  SmallVector<std::string> names;
  Place lhs, rhs;
  std::vector<Place> extras;
  std::vector<std::vector<Place>> results; ///< where each is stored
  SmallVector<std::string> declarations, members;
  llvm::StringSet<> seen; ///< one tensor may be several operands
  bool hasFailed = false;
};

BlockTile tileOf(kernel::ContractOp op) { return {(*op.getTile())[0], (*op.getTile())[1]}; }

} // namespace

FailureOr<KernelBody> cuda::emitContract(kernel::ContractOp op, PointerOf pointerOf) {
  llvm::MapVector<Value, int64_t> noScratch;
  ContractPrinter printer(op, "Op", pointerOf, noScratch);
  Lines lines;
  if (failed(printer.print(lines)))
    return failure();
  KernelBody body;
  body.templates = {device::contract};
  body.types = lines.take();
  ArrayRef<int64_t> sizes = op.getSizes();
  BlockTile tile = tileOf(op);
  body.blocks = llvm::product_of(sizes.drop_back(3)) * llvm::divideCeil(sizes[op.getM()], tile.bm) *
                llvm::divideCeil(sizes[op.getN()], tile.bn);
  body.sharedBytes = stagingBytes(op, tile);
  body.code = "  Contract<Op>::run(" + printer.instance() +
              ", blockIdx.x, reinterpret_cast<float *>(shared));\n";
  return body;
}

FailureOr<KernelBody> cuda::emitChain(kernel::ChainOp chain, PointerOf pointerOfResult) {
  SmallVector<kernel::ContractOp> ops(chain.getBody().getOps<kernel::ContractOp>());
  Operation *yield = chain.getBody().front().getTerminator();
  auto pointerOf = [&](Value value) -> std::string {
    for (auto [yielded, result] : llvm::zip(yield->getOperands(), chain.getResults()))
      if (yielded == value)
        return pointerOfResult(result);
    return value.getParentBlock() == &chain.getBody().front() ? "" : pointerOfResult(value);
  };
  int64_t rows = *chain.getRows(), floats = 0, staging = 0;
  llvm::MapVector<Value, int64_t> scratch;
  Lines lines, code(1);
  code.add("float *const floats = reinterpret_cast<float *>(shared);");
  for (Value value : scratchValues(ops)) {
    code.add("float *const scratch" + Twine(scratch.size()) + " = floats + " + Twine(floats) + ";");
    scratch[value] = floats;
    floats += rows * scratchColumns(value);
  }
  code.add("const int m0 = blockIdx.x * " + Twine(rows) + ";");
  for (auto [i, op] : llvm::enumerate(ops)) {
    std::string name = "Op" + std::to_string(i);
    ContractPrinter printer(op, name, pointerOf, scratch);
    if (failed(printer.print(lines)))
      return failure();
    code.add("Contract<" + name + ">::runRows(" + printer.instance() + ", m0, floats + " +
             Twine(floats) + ");");
    staging = std::max(staging, stagingBytes(op, tileOf(op)));
  }
  KernelBody body;
  body.templates = {device::contract};
  body.types = lines.take();
  body.code = code.take();
  body.blocks = llvm::divideCeil(chain.getRowCount(), rows);
  body.sharedBytes = 4 * floats + staging;
  return body;
}
