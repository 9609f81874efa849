// kernel.row: where there are reductions, a warp (or, for long rows, a block) takes a row: one pass
// over it per reduction, and one that stores; element-wise values are computed again in each pass.
// Without reductions a thread takes single elements.
#include "compiler/target/cuda/EmitKernels.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// Rows longer than this get a block.
constexpr int64_t MostColumnsOfWarp = 1024;
constexpr int64_t Threads = 256;

class RowEmitter {
public:
  RowEmitter(kernel::RowOp op, PointerOf pointerOf) : op(op), pointerOf(pointerOf) {}

  FailureOr<KernelBody> emit() {
    if (failed(findOperands()))
      return failure();
    auto reduces = llvm::to_vector(op.getBody().getOps<kernel::RowReduceOp>());
    KernelBody body;
    body.threads = Threads;
    reduces.empty() ? emitElements(body) : emitRows(body, reduces);
    body.code = lines.take();
    return hasFailed ? FailureOr<KernelBody>() : body;
  }

private:
  int64_t rows() { return op.getRowCount(); }
  int64_t columns() { return op.getColumnCount(); }

  LogicalResult findOperands() {
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      auto found = operandOf(op, pointerOf(input), input, op.getMap(i), op.getSizes());
      if (failed(found))
        return failure();
      inputs.push_back(*found);
    }
    for (auto [i, result] : llvm::enumerate(op.getResults())) {
      auto found = operandOf(op, pointerOf(result), result, op.getResultMap(i), op.getSizes());
      if (failed(found))
        return failure();
      results.push_back(*found);
    }
    return success();
  }

  /// Lets the region's arguments, row and column be used; inputs are loaded where they stand.
  ScalarPrinter scalarsAt(StringRef prefix) {
    ScalarPrinter scalars(lines, prefix);
    for (auto [i, input] : llvm::enumerate(inputs))
      scalars.define(op.getBody().getArgument(i), input.load(names));
    op.getBody().walk([&](Operation *inner) {
      if (isa<kernel::ColumnOp>(inner))
        scalars.name(inner->getResult(0), "column");
      if (isa<kernel::RowIndexOp>(inner))
        scalars.name(inner->getResult(0), "row");
    });
    for (auto &[value, name] : reduced)
      scalars.name(value, name);
    return scalars;
  }

  static bool usesColumn(const Operand &operand) { return operand.access.offset.uses(1); }

  /// Stores the results that have one element per column (or per row).
  void store(bool perColumn, StringRef prefix) {
    ScalarPrinter scalars = scalarsAt(prefix);
    auto yielded = op.getBody().front().getTerminator()->getOperands();
    for (auto [result, value] : llvm::zip(results, yielded))
      if (usesColumn(result) == perColumn)
        lines.add(result.store(names, scalars.use(value)));
    hasFailed |= scalars.failed();
  }

  bool anyResult(bool perColumn) {
    return llvm::any_of(results, [&](const Operand &r) { return usesColumn(r) == perColumn; });
  }

  void emitElements(KernelBody &body) {
    int64_t elements = rows() * columns();
    body.blocks = llvm::divideCeil(elements, 4 * Threads);
    lines.block(llvm::formatv("for (int i = 0; i < 4; ++i)").str(), [&] {
      lines.add(llvm::formatv("const int e = blockIdx.x * {0} + i * {1} + threadIdx.x;",
                              4 * Threads, Threads));
      lines.add(llvm::formatv("const int row = e / {0}, column = e % {0};", columns()));
      lines.block(llvm::formatv("if (e < {0})", elements).str(), [&] { store(true, "t"); });
      if (anyResult(false))
        lines.block(llvm::formatv("if (e < {0} && column == 0)", elements).str(),
                    [&] { store(false, "r"); });
    });
  }

  void emitRows(KernelBody &body, MutableArrayRef<kernel::RowReduceOp> reduces) {
    bool isLong = columns() > MostColumnsOfWarp;
    int64_t perRow = isLong ? Threads : 32;
    body.blocks = isLong ? rows() : llvm::divideCeil(rows(), Threads / 32);
    body.sharedBytes = isLong ? 4 * Threads / 32 : 0;
    lines.add(
        isLong
            ? "const int row = blockIdx.x, lane = threadIdx.x;"
            : llvm::formatv(
                  "const int row = blockIdx.x * {0} + threadIdx.x / 32, lane = threadIdx.x % 32;",
                  Threads / 32)
                  .str());
    if (!isLong)
      lines.add(llvm::formatv("if (row >= {0}) return;", rows()));
    std::string each =
        llvm::formatv("for (int column = lane; column < {0}; column += {1})", columns(), perRow);
    for (auto [i, reduce] : llvm::enumerate(reduces)) {
      std::string name = "sum" + std::to_string(i);
      StringRef kind = reduce.getKind() == kernel::ReduceKind::Add   ? "Add"
                       : reduce.getKind() == kernel::ReduceKind::Max ? "Max"
                                                                     : "Min";
      lines.add("float " + name + " = " + kind + "::neutral();");
      lines.block(each, [&] {
        ScalarPrinter scalars = scalarsAt("t");
        lines.add(name + " = " + kind + "::of(" + name + ", " + scalars.use(reduce.getInput()) +
                  ");");
        hasFailed |= scalars.failed();
      });
      lines.add(
          name + " = " +
          (isLong ? llvm::formatv("reduceBlock<{0}, {1}>({2}, reinterpret_cast<float *>(shared));",
                                  kind, Threads / 32, name)
                        .str()
                  : llvm::formatv("reduceWarp<{0}>({1});", kind, name).str()));
      reduced.push_back({reduce.getResult(), name});
    }
    if (anyResult(true))
      lines.block(each, [&] { store(true, "t"); });
    if (anyResult(false))
      lines.block("if (lane == 0)", [&] {
        lines.add("const int column = 0;");
        store(false, "r");
      });
  }

  kernel::RowOp op;
  PointerOf pointerOf;
  Lines lines{1};
  std::vector<Operand> inputs, results;
  SmallVector<std::string> names{"row", "column"};
  SmallVector<std::pair<Value, std::string>> reduced;
  bool hasFailed = false;
};

} // namespace

FailureOr<KernelBody> cuda::emitRow(kernel::RowOp op, PointerOf pointerOf) {
  return RowEmitter(op, pointerOf).emit();
}
