// Results of a chain that are stored around the caches: whole lines only, the others as ever; and
// the numbers are those of the sums. In float32 a vector is a line, of bfloat16 two are.
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "test/compiler/target/CodeTesting.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

#include <bit>
#include <cstring>

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
    loadKernelDialects(context);
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

/// A product on the matrix unit, of 37 x 32 (times the group) and a packed weight.
struct Pairs {
  int64_t columns, group;
  static constexpr int64_t depth = 32;

  int64_t packedSize() const { return (columns + 16 * group - 1) / (16 * group) * group * 512; }
  int64_t packedPlace(int64_t n, int64_t k) const {
    int64_t panel = n / (16 * group) * group + n % group;
    return ((panel * 16 + k / 2) * 16 + n / group % 16) * 2 + k % 2;
  }
  /// A chain whose first result is streamed, and whose second, twice the sum, is not.
  std::string text() const {
    std::string n = std::to_string(columns), g = std::to_string(group), m = std::to_string(rows),
                tiles = std::to_string(packedSize() / 512 / group), x, w, y = "tensor<";
    x = y + m + "x" + std::to_string(depth * group) + "xbf16>";
    w = y + tiles + "x" + g + "x16x16x2xbf16>";
    y += m + "x" + n;
    std::string maps =
        group == 1
            ? "affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n floordiv 16, 0, "
              "k floordiv 2, n mod 16, k mod 2)>"
            : "affine_map<(m, n, k) -> (m, k * " + g + " + n mod " + g +
                  ")>, affine_map<(m, n, k) -> (n floordiv " + std::to_string(16 * group) +
                  ", n mod " + g + ", k floordiv 2, (n floordiv " + g + ") mod 16, k mod 2)>";
    std::string types = y + "xbf16>, " + y + "xf32>";
    return "func.func private @k(%x: " + x + ", %w: " + w + ") -> (" + types +
           ") attributes {plan.kind = \"chain\"} {\n%c:2 = kernel.chain rows 16 streamed [0] : " +
           types + " {\n%p:2 = kernel.contract %x, %w sizes [" + m + ", " + n + ", " +
           std::to_string(depth) + "] maps [" + maps +
           ", affine_map<(m, n, k) -> (m, n)>] tile [32, 2, 32] matrix_unit : (" + x + ", " + w +
           ") -> (" + types +
           ") {\n^bb0(%s: f32):\n%h = arith.truncf %s : f32 to bf16\n%d = arith.addf %s, %s : "
           "f32\nkernel.yield %h, %d : bf16, f32\n}\nkernel.yield %p#0, %p#1 : " +
           types + "\n}\nreturn %c#0, %c#1 : " + types + "\n}\n";
  }
};

uint16_t halfOf(float number) { return uint16_t(std::bit_cast<uint32_t>(number) >> 16); }

class StreamedPairs : public testing::TestWithParam<Pairs> {};
TEST_P(StreamedPairs, AreOfWholeLinesAndHoldTheSums) {
  auto [columns, group] = GetParam();
  constexpr int64_t depth = Pairs::depth;
  const cpu::Isa &isa = *cpu::isaNamed("amx");
  mlir::MLIRContext context;
  loadKernelDialects(context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(GetParam().text(), &context);
  ASSERT_TRUE(module);
  auto kernels = cpu::emitKernels(*module, isa);
  int64_t streamed = 0;
  kernels->walk([&](mlir::LLVM::StoreOp store) { streamed += store.getNontemporal(); });
  EXPECT_EQ(streamed > 0, columns % 32 == 0);
  if (instructionSets().back() != "amx")
    GTEST_SKIP() << "the kernel runs on AMX only";
  ASSERT_TRUE(bool(requestMatrixTiles()));

  Line x(rows * depth * group), w(GetParam().packedSize()), sums(rows * columns),
      twice(rows * columns);
  auto *left = reinterpret_cast<uint16_t *>(x.data.get()),
       *right = reinterpret_cast<uint16_t *>(w.data.get()),
       *halves = reinterpret_cast<uint16_t *>(sums.data.get());
  auto leftAt = [&](int64_t m, int64_t k) { return float((m + 3 * k) % 4); };
  auto rightAt = [&](int64_t n, int64_t k) { return float((n + 2 * k) % 3 - 1); };
  for (int64_t i = 0; i < rows * depth * group; ++i)
    left[i] = halfOf(leftAt(i / (depth * group), i % (depth * group)));
  std::memset(right, 0, size_t(GetParam().packedSize()) * 2);
  for (int64_t n = 0; n < columns; ++n)
    for (int64_t k = 0; k < depth; ++k)
      right[GetParam().packedPlace(n, k)] = halfOf(rightAt(n, k));
  runKernel(*module, *kernels, isa, {left, right, halves, twice.data.get()});
  int64_t wrong = 0;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < columns; ++n) {
      float sum = 0; // a whole number below 256: exact in bfloat16
      for (int64_t k = 0; k < depth; ++k)
        sum += leftAt(m, k * group + n % group) * rightAt(n, k);
      wrong += halves[m * columns + n] != halfOf(sum);
      wrong += twice.data.get()[m * columns + n] != 2 * sum;
    }
  // Behind the end are still halves of -1 in float32.
  wrong += halves[rows * columns] != (rows * columns % 2 ? halfOf(-1) : 0);
  EXPECT_EQ(wrong, 0);
}
INSTANTIATE_TEST_SUITE_P(Columns, StreamedPairs,
                         testing::Values(Pairs{32, 1}, Pairs{96, 1}, Pairs{48, 1}, Pairs{37, 1},
                                         Pairs{64, 2}, Pairs{64, 4}, Pairs{256, 4}, Pairs{80, 4}));

} // namespace
