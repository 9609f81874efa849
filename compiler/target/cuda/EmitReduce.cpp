// kernel.reduce: the struct that the template in device/reduce.cuh is made for.
#include "compiler/target/cuda/EmitKernels.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

/// Sums of so few rows, as of the parts of a long sum, are one thread's.
static constexpr int64_t FewRows = 16;

FailureOr<KernelBody> cuda::emitReduce(kernel::ReduceOp op, PointerOf pointerOf) {
  ArrayRef<int64_t> sizes = op.getSizes();
  std::vector<Operand> inputs, results;
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    auto found = operandOf(op, pointerOf(input), input, op.getMap(i), sizes);
    if (failed(found))
      return failure();
    inputs.push_back(*found);
  }
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    auto found = operandOf(op, pointerOf(result), result, op.getResultMap(i), sizes);
    if (failed(found))
      return failure();
    results.push_back(*found);
  }
  auto isUnit = [&](unsigned dim) {
    return llvm::any_of(
        inputs, [&](const Operand &o) { return o.access.along(dim) == Access::Motion::Unit; });
  };
  bool rowsAreNeighbours = sizes[2] == 1 || (isUnit(1) && !isUnit(2));
  bool rowsAreFew = !rowsAreNeighbours && sizes[1] <= FewRows;

  const std::string names[] = {"batch", "row", "column"};
  bool hasFailed = false;
  llvm::StringSet<> seen; // one tensor may be several inputs
  SmallVector<std::string> pointers;
  Lines lines;
  lines.block(
      "struct Op",
      [&] {
        lines.add(llvm::formatv(
            "static constexpr int Batches = {0}, Rows = {1}, Columns = {2}, Results = {3};",
            sizes[0], sizes[1], sizes[2], results.size()));
        lines.add(Twine("static constexpr bool RowsAreNeighbours = ") +
                  (rowsAreNeighbours ? "true" : "false") +
                  ", RowsAreFew = " + (rowsAreFew ? "true;" : "false;"));
        auto declare = [&](const Operand &operand, StringRef qualifier) {
          if (!seen.insert(operand.pointer).second)
            return;
          lines.add(qualifier + operand.type() + " *__restrict__ " + operand.pointer + ";");
          pointers.push_back(operand.pointer);
        };
        for (const Operand &input : inputs)
          declare(input, "const ");
        for (const Operand &result : results)
          declare(result, "");
        lines.blank();
        lines.block("__device__ void add(int batch, int row, int column, float *sums) const", [&] {
          ScalarPrinter scalars(lines);
          for (auto [i, input] : llvm::enumerate(inputs))
            scalars.define(op.getBody().getArgument(i), input.load(names));
          for (auto [i, value] :
               llvm::enumerate(op.getBody().front().getTerminator()->getOperands()))
            lines.add("sums[" + Twine(i) + "] += " + scalars.use(value) + ";");
          hasFailed |= scalars.failed();
        });
        lines.block("__device__ void store(int batch, int column, const float *sums) const", [&] {
          for (auto [i, result] : llvm::enumerate(results))
            lines.add(result.store({"batch", "0", "column"}, "sums[" + Twine(i) + "]"));
        });
      },
      "};");
  if (hasFailed)
    return failure();
  KernelBody body;
  body.templates = {device::reduce};
  body.types = lines.take();
  bool usesShared = !rowsAreNeighbours && !rowsAreFew;
  body.blocks = sizes[0] * llvm::divideCeil(sizes[2], rowsAreNeighbours ? 8
                                                      : rowsAreFew      ? 256
                                                                        : 32);
  body.sharedBytes = usesShared ? 4 * int64_t(results.size()) * 8 * 32 : 0;
  body.code = "  Reduce<Op>::run(Op{" + llvm::join(pointers, ", ") + "}, blockIdx.x, " +
              (usesShared ? "reinterpret_cast<float *>(shared)" : "nullptr") + ");\n";
  return body;
}
