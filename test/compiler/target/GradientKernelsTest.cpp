// Gradients of weights in bfloat16 on the matrix unit, one kernel at a time: shapes that end inside
// tiles, pairs, lanes and stretches, alone, in blocks and interleaved in groups. Sums of whole
// numbers are exact, so that no bound is needed; operands end where their memory ends.
#include "compiler/Passes.h"
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
#include "mlir/Pass/PassManager.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// sum_k d(k, m) x(k, n) of `count` pairs of column ranges, side by side or interleaved.
struct Gradient {
  enum Order { SideBySide, Interleaved } order;
  int64_t count, m, n, k;

  int64_t place(int64_t i, int64_t column, int64_t columns) const {
    return order == SideBySide ? i * columns + column : column * count + i;
  }

  std::string text() const {
    auto number = [](int64_t value) { return std::to_string(value); };
    std::string d = "tensor<" + number(k) + "x" + number(count * m) + "xbf16>",
                x = "tensor<" + number(k) + "x" + number(count * n) + "xbf16>",
                y = "tensor<" + number(count) + "x" + number(m) + "x" + number(n) + "xf32>";
    std::string g = number(count), sizes, maps;
    if (order == SideBySide) {
      sizes = g + ", " + number(m) + ", " + number(n);
      maps = "affine_map<(b, m, n, k) -> (k, b * " + number(m) +
             " + m)>, affine_map<(b, m, n, k) -> (k, b * " + number(n) +
             " + n)>, affine_map<(b, m, n, k) -> (b, m, n)>";
    } else {
      sizes = number(m) + ", " + number(count * n);
      maps = "affine_map<(m, n, k) -> (k, m * " + g + " + n mod " + g +
             ")>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (n mod " + g +
             ", m, n floordiv " + g + ")>";
    }
    return "func.func private @k(%d: " + d + ", %x: " + x + ") -> " + y +
           " attributes {plan.kind = \"contract\"} {\n%y = kernel.contract %d, %x sizes [" + sizes +
           ", " + number(k) + "] maps [" + maps + "] : (" + d + ", " + x + ") -> " + y +
           " {\n^bb0(%sum: f32):\nkernel.yield %sum : f32\n}\nreturn %y : " + y + "\n}\n";
  }
};

/// Runs every call, the last first. `blocked` tells whether calls put both operands in order.
void run(const Gradient &gradient, const std::vector<const void *> &buffers, bool &blocked) {
  mlir::MLIRContext context;
  loadKernelDialects(context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(gradient.text(), &context);
  ASSERT_TRUE(module) << gradient.text();
  const cpu::Isa &isa = *cpu::isaNamed("amx");
  mlir::PassManager passes(&context);
  passes.addNestedPass<mlir::func::FuncOp>(
      createKernelChooseTiles({isa.width, isa.registers, isa.matrixUnit}));
  ASSERT_TRUE(succeeded(passes.run(*module)));
  blocked = false;
  module->walk([&](kernel::ContractOp op) { blocked = op.getMatrixUnit() && op.isBlocked(); });
  if (!blocked || !cpu::hostIsa().matrixUnit)
    return;
  ASSERT_TRUE(bool(requestMatrixTiles()));
  runKernel(*module, *cpu::emitKernels(*module, isa), isa, buffers);
}

/// Whole numbers of few bits: exact in bfloat16, and so are their sums in float32.
void fill(uint16_t *to, int64_t count, int64_t period) {
  for (int64_t i = 0; i < count; ++i)
    to[i] = uint16_t(std::bit_cast<uint32_t>(float(i * 37 % period - period / 2)) >> 16);
}
float numberOf(uint16_t half) { return std::bit_cast<float>(uint32_t(half) << 16); }

void expectExact(const Gradient &gradient) {
  auto [order, count, m, n, k] = gradient;
  SCOPED_TRACE(gradient.text());
  Guarded d(2 * k * count * m), x(2 * k * count * n), y(4 * count * m * n);
  fill(d.as<uint16_t>(), k * count * m, 29);
  fill(x.as<uint16_t>(), k * count * n, 31);
  std::fill_n(y.as<float>(), count * m * n, -1e9f);
  bool blocked = false;
  run(gradient, {d.as<void>(), x.as<void>(), y.as<void>()}, blocked);
  EXPECT_TRUE(blocked);
  if (!cpu::hostIsa().matrixUnit)
    return;
  int64_t wrong = 0;
  std::vector<float> sums(n);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t row = 0; row < m; ++row) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      for (int64_t at = 0; at < k; ++at) {
        float factor = numberOf(d.as<uint16_t>()[at * count * m + gradient.place(i, row, m)]);
        const uint16_t *columns = x.as<uint16_t>() + at * count * n;
        for (int64_t c = 0; c < n; ++c)
          sums[c] += factor * numberOf(columns[gradient.place(i, c, n)]);
      }
      for (int64_t c = 0; c < n; ++c)
        wrong += y.as<float>()[(i * m + row) * n + c] != sums[c];
    }
  EXPECT_EQ(wrong, 0);
}

class GradientKernels : public testing::TestWithParam<Gradient> {};
TEST_P(GradientKernels, AreExactOnWholeNumbers) { expectExact(GetParam()); }
INSTANTIATE_TEST_SUITE_P(
    Shapes, GradientKernels,
    testing::Values(Gradient{Gradient::SideBySide, 1, 192, 192, 1576}, // vit_s16's
                    Gradient{Gradient::SideBySide, 4, 192, 64, 300},   // blocks
                    Gradient{Gradient::Interleaved, 4, 192, 192, 520}, // Monarch's second factor
                    Gradient{Gradient::SideBySide, 1, 800, 900, 256},  // several calls
                    Gradient{Gradient::Interleaved, 4, 390, 100, 270},
                    Gradient{Gradient::SideBySide, 1, 2, 3, 257},     // nothing whole
                    Gradient{Gradient::Interleaved, 16, 33, 17, 261}, // the widest group
                    Gradient{Gradient::Interleaved, 8, 1, 1, 287}));

TEST(GradientKernels, OfRandomShapesAreExact) {
  std::mt19937 random(5);
  auto among = [&](std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  };
  for (int i = 0; i < 40; ++i) {
    int64_t group = among({1, 2, 4, 4, 8, 16});
    int64_t m = among({1, 2, 3, 7, 8, 13, 16, 17, 31, 32, 33, 67, 97, 130}),
            n = among({1, 2, 5, 11, 15, 16, 17, 29, 32, 33, 61, 96, 131}),
            k = among({256, 257, 271, 287, 288, 289, 300, 317, 521});
    if (group == 1) // one column alone is a row of K
      m = std::max<int64_t>(m, 2), n = std::max<int64_t>(n, 2);
    expectExact(
        {group > 1 && i % 3 ? Gradient::Interleaved : Gradient::SideBySide, group, m, n, k});
  }
}

} // namespace
