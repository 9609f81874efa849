// Copies, column sums and updates as machine code, one kernel at a time: shapes that steps of small
// models do not have (many panels, short lines, rows far apart). Copies are exact; sums of small
// integers are too, so that no bound is needed.
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "test/compiler/target/CodeTesting.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

using namespace danaus;
using namespace danaus::test;

namespace {

std::vector<float> numbers(int64_t count) {
  std::vector<float> values(count + 512); // whole-vector loads may touch what follows
  for (int64_t i = 0; i < count; ++i)
    values[i] = float(1 + i % 9973);
  return values;
}

std::string tensor(std::initializer_list<int64_t> shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + "f32>";
}

/// Panels of `lanes` columns of a rows x columns matrix.
struct Panels {
  int64_t rows, columns, lanes;
  enum Kind { OfColumns, OfRows } kind;
};

class PackedPanels : public testing::TestWithParam<Panels> {};
TEST_P(PackedPanels, HoldTheMatrixAndZeros) {
  auto [rows, columns, lanes, kind] = GetParam();
  int64_t across = kind == Panels::OfColumns ? columns : rows, along = rows + columns - across;
  int64_t panels = (across + lanes - 1) / lanes, size = panels * along * lanes;
  std::string wide = "d0 * " + std::to_string(lanes) + " + d2";
  std::string from = tensor({rows, columns}), to = tensor({panels, along, lanes});
  std::string text = "func.func private @k(%x: " + from + ") -> " + to +
                     " attributes {plan.kind = \"copy\"} {\n%y = kernel.copy %x map "
                     "affine_map<(d0, d1, d2) -> (" +
                     (kind == Panels::OfColumns ? "d1, " + wide : wide + ", d1") + ")> : " + from +
                     " -> " + to + "\nreturn %y : " + to + "\n}\n";
  std::vector<float> x = numbers(rows * columns);
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    std::vector<float> y(size + 64, -1);
    runKernel(text, *cpu::isaNamed(isa), {x.data(), y.data()});
    int64_t wrong = 0;
    for (int64_t i = 0; i < size; ++i) {
      int64_t a = i / (along * lanes) * lanes + i % lanes, b = i / lanes % along;
      int64_t place = kind == Panels::OfColumns ? b * columns + a : a * columns + b;
      wrong += y[i] != (a < across ? x[place] : 0.0f);
    }
    for (int64_t i = size; i < size + 64; ++i)
      wrong += y[i] != -1;
    EXPECT_EQ(wrong, 0);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, PackedPanels,
    testing::Values(Panels{1001, 2304, 8, Panels::OfColumns}, // 288 panels: 18 parts
                    Panels{77, 300, 8, Panels::OfColumns},    // the last panel is short
                    Panels{50, 136, 8, Panels::OfColumns},    // 17 panels: parts of 9 and 8
                    Panels{33, 92, 4, Panels::OfColumns},     // lines of 4
                    Panels{1, 800, 8, Panels::OfColumns},     // one line: not cut
                    Panels{37, 960, 48, Panels::OfColumns},   // several vectors a line
                    Panels{100, 75, 48, Panels::OfRows},      // turned, both sides short
                    Panels{48, 256, 48, Panels::OfRows},      // several times four blocks
                    Panels{53, 331, 16, Panels::OfRows},      // primes: the last blocks are fewer
                    Panels{1, 97, 48, Panels::OfRows}));      // one row, turned

class ColumnSums : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};
TEST_P(ColumnSums, AreExactForIntegers) {
  auto [rows, columns] = GetParam();
  std::string from = tensor({rows, columns}), to = tensor({columns});
  std::string text = "func.func private @k(%x: " + from + ") -> " + to +
                     " attributes {plan.kind = \"reduce\"} {\n%y = kernel.reduce %x sizes [1, " +
                     std::to_string(rows) + ", " + std::to_string(columns) +
                     "] maps [affine_map<(b, r, c) -> (r, c)>, affine_map<(b, r, c) -> (c)>] : (" +
                     from + ") -> " + to +
                     " {\n^bb0(%a: f32):\nkernel.yield %a : f32\n}\nreturn %y : " + to + "\n}\n";
  std::vector<float> x = numbers(rows * columns);
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    std::vector<float> y(columns);
    runKernel(text, *cpu::isaNamed(isa), {x.data(), y.data()});
    for (int64_t c = 0; c < columns; ++c) {
      int64_t sum = 0;
      for (int64_t r = 0; r < rows; ++r)
        sum += int64_t(x[r * columns + c]);
      EXPECT_EQ(y[c], float(sum)) << "column " << c;
    }
  }
}
/// The gradients of a norm's scale and shift: two sums over the rows of two inputs.
TEST_P(ColumnSums, OfTwoInputsHaveTwoResults) {
  auto [rows, columns] = GetParam();
  std::string from = tensor({rows, columns}), to = tensor({columns});
  std::string in = "affine_map<(b, r, c) -> (r, c)>", out = "affine_map<(b, r, c) -> (c)>";
  std::string text =
      "func.func private @k(%x: " + from + ", %w: " + from + ") -> (" + to + ", " + to +
      ") attributes {plan.kind = \"reduce\"} {\n%y:2 = kernel.reduce %x, %w " + "sizes [1, " +
      std::to_string(rows) + ", " + std::to_string(columns) + "] maps [" + in + ", " + in + ", " +
      out + ", " + out + "] : (" + from + ", " + from + ") -> (" + to + ", " + to +
      ") {\n^bb0(%a: f32, %c: f32):\n%p = arith.mulf %a, %c : f32\n" +
      "kernel.yield %p, %c : f32, f32\n}\nreturn %y#0, %y#1 : " + to + ", " + to + "\n}\n";
  std::vector<float> x = numbers(rows * columns), w = x;
  for (float &value : x)
    value = float(int(value) % 7); // sums stay exact
  for (float &value : w)
    value = float(int(value) % 5);
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    std::vector<float> scale(columns), shift(columns);
    runKernel(text, *cpu::isaNamed(isa), {x.data(), w.data(), scale.data(), shift.data()});
    for (int64_t c = 0; c < columns; ++c) {
      int64_t products = 0, sum = 0;
      for (int64_t r = 0; r < rows; ++r) {
        products += int64_t(x[r * columns + c]) * int64_t(w[r * columns + c]);
        sum += int64_t(w[r * columns + c]);
      }
      EXPECT_EQ(scale[c], float(products)) << "column " << c;
      EXPECT_EQ(shift[c], float(sum)) << "column " << c;
    }
  }
}
/// Many rows far apart are asked for ahead, few or near ones are not.
INSTANTIATE_TEST_SUITE_P(Shapes, ColumnSums,
                         testing::Values(std::pair{200, 770}, std::pair{31, 300},
                                         std::pair{100, 17}, std::pair{1, 1}, std::pair{17, 263},
                                         std::pair{16, 1024}));

class Updates : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};
/// In place, as in a step: an element that two calls take would be updated twice.
TEST_P(Updates, TakeEachElementOnceInEqualCalls) {
  auto [elements, calls] = GetParam();
  std::string flat = tensor({elements}), few = tensor({16});
  std::string text = "func.func private @k(%p: " + flat + ", %g: " + flat + ", %m: " + flat +
                     ", %c: " + few + ", %s: " + few + ") -> (" + flat + ", " + flat +
                     ") attributes {plan.kind = \"update\"} {\n%u:2 = kernel.update parameters(%p) "
                     "gradients(%g) states(%m) %c [3], %s [0] : (" +
                     flat + ", " + flat + ", " + flat + ", " + few + ", " + few + ") -> (" + flat +
                     ", " + flat + ") {\n^bb0(%a: f32, %b: f32, %d: f32, %e: f32, %f: f32):\n" +
                     "%h = arith.addf %a, %b : f32\n%i = arith.mulf %d, %e : f32\n"
                     "kernel.yield %h, %i : f32, f32\n}\nreturn %u#0, %u#1 : " +
                     flat + ", " + flat + "\n}\n";
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    mlir::MLIRContext context;
    loadKernelDialects(context);
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    std::vector<float> p = numbers(elements), g = numbers(elements), m = numbers(elements);
    std::vector<float> control(16, 5), metrics(16);
    control[3] = 2;
    auto kernels = cpu::emitKernels(*module, *cpu::isaNamed(isa));
    auto tiles = module->lookupSymbol("k")->getAttrOfType<mlir::IntegerAttr>(plan::TilesAttr);
    EXPECT_EQ(tiles.getInt(), calls);
    runKernel(*module, *kernels, *cpu::isaNamed(isa),
              {p.data(), g.data(), m.data(), control.data(), metrics.data(), p.data(), m.data()});
    int64_t wrong = 0;
    for (int64_t i = 0; i < elements; ++i)
      wrong += p[i] != 2 * g[i] || m[i] != 2 * g[i];
    for (int64_t i = elements; i < elements + 64; ++i)
      wrong += p[i] != 0 || m[i] != 0;
    EXPECT_EQ(wrong, 0);
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, Updates,
                         testing::Values(std::pair{16, 1}, std::pair{2032, 1}, std::pair{4096, 2},
                                         std::pair{16512, 8}, std::pair{6160, 3}));

} // namespace
