// kernel.contract: the struct that the template in device/contract.cuh is made for.
#include "compiler/target/cuda/EmitKernels.h"

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

class ContractEmitter {
public:
  ContractEmitter(kernel::ContractOp op, PointerOf pointerOf) : op(op), pointerOf(pointerOf) {}

  FailureOr<KernelBody> emit() {
    ArrayRef<int64_t> tile = *op.getTile();
    BM = tile[0];
    BN = tile[1];
    group = op.getGroup();
    if (failed(findOperands()))
      return failure();
    nameDims();
    KernelBody body;
    Lines lines;
    lines.block(
        "struct Op", [&] { printMembers(lines); }, "};");
    if (hasFailed)
      return failure();
    body.templates = {device::contract};
    body.types = lines.take();
    ArrayRef<int64_t> sizes = op.getSizes();
    int64_t batches = llvm::product_of(sizes.drop_back(3));
    body.blocks = batches * llvm::divideCeil(sizes[op.getM()], BM) *
                  llvm::divideCeil(sizes[op.getN()], BN);
    body.sharedBytes = sharedBytes();
    body.code = "  Contract<Op>::run(Op{" + arguments() +
                "}, blockIdx.x, reinterpret_cast<float *>(shared));\n";
    return body;
  }

private:
  LogicalResult findOperands() {
    auto find = [&](Value value, unsigned map, Operand &operand) {
      auto found = operandOf(op, pointerOf(value), value, op.getMap(map), op.getSizes());
      if (succeeded(found))
        operand = *found;
      return success(succeeded(found));
    };
    extras.resize(op.getExtras().size());
    results.resize(op.getResults().size());
    if (failed(find(op.getLhs(), kernel::ContractOp::LhsMap, lhs)) ||
        failed(find(op.getRhs(), kernel::ContractOp::RhsMap, rhs)))
      return failure();
    for (auto [i, extra] : llvm::enumerate(op.getExtras()))
      if (failed(find(extra, kernel::ContractOp::FirstExtraMap + i, extras[i])))
        return failure();
    for (auto [i, result] : llvm::enumerate(op.getResults()))
      if (failed(find(result, kernel::ContractOp::ResultMap, results[i])))
        return failure();
    return success();
  }

  /// The dimensions of the iteration space as the members call them.
  void nameDims() {
    ArrayRef<int64_t> batch = op.getSizes().drop_back(3);
    int64_t after = llvm::product_of(batch);
    for (auto [i, size] : llvm::enumerate(batch)) {
      after /= size;
      std::string name = after == 1 ? "batch" : "batch / " + std::to_string(after);
      names.push_back(i == 0 ? name : name + " % " + std::to_string(size));
      if (names.back() != "batch")
        names.back() = "(" + names.back() + ")";
    }
    names.insert(names.end(), {"m", "n", "k"});
  }

  void printMembers(Lines &lines) {
    ArrayRef<int64_t> sizes = op.getSizes();
    int64_t columns = BN / group;
    lines.add(llvm::formatv("static constexpr int Batches = {0}, M = {1}, N = {2}, K = {3}, Group = {4};",
                            llvm::product_of(sizes.drop_back(3)), sizes[op.getM()],
                            sizes[op.getN()], sizes[op.getK()], group));
    lines.add(llvm::formatv("static constexpr int BM = {0}, BN = {1};", BM, BN));
    for (const Operand *operand : all())
      lines.add(pointerDeclaration(*operand));
    lines.blank();
    auto along = [&](const Operand &operand, unsigned dim, int64_t index = 1) {
      return valueAt(operand.access.offset, dim, index);
    };
    unsigned m = op.getM(), n = op.getN(), k = op.getK();
    printPlace(lines, "lhsPlace",
               {{"g", group, along(lhs, n)}, {"m", BM, along(lhs, m)}, {"k", 8, along(lhs, k)}});
    printPlace(lines, "rhsPlace",
               {{"g", group, group == 1 ? 0 : along(rhs, n)}, {"j", columns, along(rhs, n, group)}, {"k", 8, along(rhs, k)}});
    printOrder(lines, group == 1 || along(results[0], n) < along(results[0], n, group));
    auto lhsNames = names;
    lhsNames[n] = "g";
    lines.block("__device__ float lhs(int batch, int g, int m, int k) const",
                [&] { lines.add("return " + lhs.load(lhsNames) + ";"); });
    lines.block("__device__ float rhs(int batch, int n, int k) const",
                [&] { lines.add("return " + rhs.load(names) + ";"); });
    lines.block("__device__ void store(int batch, int m, int n, float sum) const",
                [&] { printEpilogue(lines); });
  }

  /// Results wait for being stored in the order of n, or group by group.
  void printOrder(Lines &lines, bool inOrderOfN) {
    std::string turned = group == 1 ? "c"
                                    : llvm::formatv("c % {0} * {1} + c / {0}", BN / group, group).str();
    lines.add("static __device__ int resultColumn(int c) { return " +
              (inOrderOfN ? turned : std::string("c")) + "; }");
    lines.add("static __device__ int resultN(int c) { return " +
              (inOrderOfN ? std::string("c") : turned) + "; }");
  }

  void printEpilogue(Lines &lines) {
    ScalarPrinter scalars(lines);
    Block &block = op.getEpilogue().front();
    scalars.name(block.getArgument(0), "sum");
    for (auto [i, extra] : llvm::enumerate(extras))
      scalars.define(block.getArgument(1 + i), extra.load(names));
    for (auto [result, value] : llvm::zip(results, block.getTerminator()->getOperands()))
      lines.add(result.store(names, scalars.use(value)));
    hasFailed |= scalars.failed();
  }

  SmallVector<const Operand *> all() const {
    SmallVector<const Operand *> operands{&lhs, &rhs};
    for (const Operand &extra : extras)
      operands.push_back(&extra);
    for (const Operand &result : results)
      operands.push_back(&result);
    llvm::StringSet<> seen; // one tensor may be several operands
    llvm::erase_if(operands, [&](const Operand *operand) { return !seen.insert(operand->pointer).second; });
    return operands;
  }

  std::string pointerDeclaration(const Operand &operand) const {
    bool isResult = llvm::any_of(results, [&](const Operand &r) { return r.pointer == operand.pointer; });
    return ((isResult ? "" : "const ") + operand.type() + " *__restrict__ " + operand.pointer + ";").str();
  }

  std::string arguments() const {
    return llvm::join(llvm::map_range(all(), [](const Operand *o) { return o->pointer; }), ", ");
  }

  /// As Contract::Floats and StageFloats count.
  int64_t sharedBytes() const {
    int64_t lhsStage = group * (8 * (BM + 4) + 4), rhsStage = 8 * (BN + 4);
    int64_t slice = std::min<int64_t>(BM / 8, 4);
    return 4 * std::max(2 * (lhsStage + rhsStage), 8 * slice * (BN + BN / 8));
  }

  kernel::ContractOp op;
  PointerOf pointerOf;
  int64_t BM = 0, BN = 0, group = 1;
  Operand lhs, rhs;
  std::vector<Operand> extras, results;
  SmallVector<std::string> names;
  bool hasFailed = false;
};

} // namespace

FailureOr<KernelBody> cuda::emitContract(kernel::ContractOp op, PointerOf pointerOf) {
  return ContractEmitter(op, pointerOf).emit();
}
