// Results of a chain that are stored around the caches: whole lines only, the others as ever; and
// the numbers are those of the sums.
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "test/compiler/target/CodeTesting.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr int64_t rows = 37, depth = 3;

/// A chain of a product whose first result is streamed, and whose second, twice the sum, is not.
std::string chainOf(int64_t columns) {
  std::string n = std::to_string(columns), m = std::to_string(rows), k = std::to_string(depth);
  std::string x = "tensor<" + m + "x" + k + "xf32>", w = "tensor<" + k + "x" + n + "xf32>",
              y = "tensor<" + m + "x" + n + "xf32>";
  return "func.func private @k(%x: " + x + ", %w: " + w + ") -> (" + y + ", " + y +
         ") attributes {plan.kind = \"chain\"} {\n"
         "%c:2 = kernel.chain rows 16 streamed [0] : " +
         y + ", " + y + " {\n%p:2 = kernel.contract %x, %w sizes [" + m + ", " + n + ", " + k +
         "] maps [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, "
         "affine_map<(m, n, k) -> (m, n)>] tile [8, 2, 16] : (" +
         x + ", " + w + ") -> (" + y + ", " + y +
         ") {\n^bb0(%s: f32):\n%d = arith.addf %s, %s : f32\nkernel.yield %s, %d : f32, f32\n}\n"
         "kernel.yield %p#0, %p#1 : " +
         y + ", " + y + "\n}\nreturn %c#0, %c#1 : " + y + ", " + y + "\n}\n";
}

/// Numbers at the start of a cache line, as in the arena.
struct Line {
  explicit Line(int64_t count)
      : bytes((4 * count + 4096) / 64 * 64),
        data(static_cast<float *>(std::aligned_alloc(64, bytes)), &std::free) {
    std::fill_n(data.get(), bytes / 4, -1.0f);
  }
  size_t bytes;
  std::unique_ptr<float, decltype(&std::free)> data;
};

class StreamedStores : public testing::TestWithParam<int64_t> {};
TEST_P(StreamedStores, AreOfWholeLinesAndHoldTheSums) {
  int64_t columns = GetParam();
  for (const std::string &name : instructionSets()) {
    SCOPED_TRACE(name);
    const cpu::Isa &isa = *cpu::isaNamed(name);
    mlir::MLIRContext context;
    context.loadDialect<mlir::func::FuncDialect, mlir::scf::SCFDialect, mlir::arith::ArithDialect,
                        mlir::memref::MemRefDialect, mlir::vector::VectorDialect,
                        mlir::LLVM::LLVMDialect, kernel::KernelDialect, plan::PlanDialect>();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(chainOf(columns), &context);
    ASSERT_TRUE(module);
    auto kernels = cpu::emitKernels(*module, isa);
    int64_t streamed = 0, fences = 0;
    kernels->walk([&](mlir::Operation *op) {
      if (auto store = mlir::dyn_cast<mlir::vector::StoreOp>(op))
        streamed += store.getNontemporal();
      fences += mlir::isa<mlir::LLVM::FenceOp>(op);
    });
    EXPECT_EQ(streamed > 0, (name == "avx512" || name == "amx") && columns % 16 == 0);
    EXPECT_EQ(fences, 1);

    Line x(rows * depth), w(depth * columns), sums(rows * columns), twice(rows * columns);
    for (int64_t i = 0; i < rows * depth; ++i)
      x.data.get()[i] = float(i % 11);
    for (int64_t i = 0; i < depth * columns; ++i)
      w.data.get()[i] = float(i % 7 - 3);
    MachineCode code(*kernels, isa);
    auto *entry = code.entry("k");
    ASSERT_TRUE(entry);
    std::vector<const void *> buffers{x.data.get(), w.data.get(), sums.data.get(),
                                      twice.data.get()};
    auto kernel = module->lookupSymbol<mlir::func::FuncOp>("k");
    for (int64_t i = kernel->getAttrOfType<mlir::IntegerAttr>(plan::TilesAttr).getInt(); i-- > 0;)
      entry(buffers.data(), i, nullptr);
    int64_t wrong = 0;
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < columns; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += x.data.get()[m * depth + k] * w.data.get()[k * columns + n];
        wrong += sums.data.get()[m * columns + n] != sum;
        wrong += twice.data.get()[m * columns + n] != 2 * sum;
      }
    wrong += sums.data.get()[rows * columns] != -1;
    EXPECT_EQ(wrong, 0);
  }
}
INSTANTIATE_TEST_SUITE_P(Columns, StreamedStores, testing::Values(64, 96, 100, 17, 5));

} // namespace
