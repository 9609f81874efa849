// Gradients of every differentiable operation, and of the linears through their contractions,
// against central differences: ragged sizes, primes, ones, padding.
#include "compiler/Passes.h"
#include "runtime/plan/Control.h"
#include "test/dialects/nn/GradientCheck.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

constexpr double Tolerance = 1e-8;

class Gradient : public testing::Test {
protected:
  NNContext context;
  std::mt19937 random{7};

  /// Checks the gradients of all arguments of the function whose body is `text`; of all but the
  /// last, if that is the control buffer.
  void check(const std::string &text, const Tensor *control = nullptr) {
    SCOPED_TRACE(text);
    OwningOpRef<ModuleOp> module = parse(context, text), expanded = parse(context, text);
    ASSERT_TRUE(module);
    PassManager passes(&context);
    passes.addNestedPass<func::FuncOp>(createNNExpandLinears());
    ASSERT_TRUE(succeeded(passes.run(*expanded)));
    auto original = *module->getOps<func::FuncOp>().begin();
    auto function = *expanded->getOps<func::FuncOp>().begin();
    SmallVector<Tensor> seeds, arguments = randomArguments(original, random);
    for (Type type : function.getResultTypes())
      seeds.push_back(randomTensor(cast<ShapedType>(type).getShape(), random));
    if (control)
      arguments.back() = *control;
    auto differentiated =
        llvm::to_vector(llvm::seq<unsigned>(0, arguments.size() - (control ? 1 : 0)));
    auto error = test::gradientError(original, function, differentiated, arguments, seeds);
    ASSERT_TRUE(succeeded(error));
    EXPECT_LE(*error, Tolerance);
  }

  /// A function of one operation with two operands.
  void checkBinary(StringRef op, StringRef lhs, StringRef rhs, StringRef result, StringRef types) {
    check(llvm::formatv("func.func @f(%a: tensor<{1}>, %b: tensor<{2}>) -> tensor<{3}> {{\n"
                        "  %0 = nn.{0} : {4}\n  return %0 : tensor<{3}>\n}",
                        op, lhs, rhs, result, types));
  }

  /// A function of one operation with one operand.
  void checkUnary(StringRef op, StringRef input, StringRef result, StringRef types) {
    check(llvm::formatv("func.func @f(%a: tensor<{1}>) -> tensor<{2}> {{\n"
                        "  %0 = nn.{0} : {3}\n  return %0 : tensor<{2}>\n}",
                        op, input, result, types));
  }

  /// A size in [1, limit]. Not for two arguments of one call, whose order is the compiler's choice.
  int64_t size(int64_t limit) { return 1 + random() % limit; }
};

TEST_F(Gradient, Add) {
  checkBinary("add %a, %b", "3x5xf32", "3x5xf32", "3x5xf32", "tensor<3x5xf32>, tensor<3x5xf32>");
  checkBinary("add %a, %b", "2x3x5xf32", "5xf32", "2x3x5xf32", "tensor<2x3x5xf32>, tensor<5xf32>");
  checkBinary("add %a, %b", "2x3x5xf32", "3x5xf32", "2x3x5xf32",
              "tensor<2x3x5xf32>, tensor<3x5xf32>");
  checkBinary("add %a, %b", "7xf32", "f32", "7xf32", "tensor<7xf32>, tensor<f32>");
}

TEST_F(Gradient, AddOfAValueToItself) {
  check("func.func @f(%a: tensor<3xf32>) -> tensor<3xf32> {\n"
        "  %0 = nn.add %a, %a : tensor<3xf32>, tensor<3xf32>\n  return %0 : tensor<3xf32>\n}");
}

TEST_F(Gradient, Activations) {
  for (StringRef name : {"relu", "gelu", "gelu_tanh"})
    for (StringRef shape : {"4x7xf32", "1xf32", "f32", "2x3x5xf32"})
      checkUnary((name + " %a").str(), shape, shape, ("tensor<" + shape + ">").str());
}

TEST_F(Gradient, Reshape) {
  checkUnary("reshape %a", "4x6xf32", "2x3x4xf32", "tensor<4x6xf32> -> tensor<2x3x4xf32>");
  checkUnary("reshape %a", "1x1xf32", "f32", "tensor<1x1xf32> -> tensor<f32>");
}

TEST_F(Gradient, Transpose) {
  checkUnary("transpose %a [2, 0, 1]", "2x3x5xf32", "5x2x3xf32",
             "tensor<2x3x5xf32> -> tensor<5x2x3xf32>");
  checkUnary("transpose %a [1, 0]", "1x7xf32", "7x1xf32", "tensor<1x7xf32> -> tensor<7x1xf32>");
}

TEST_F(Gradient, Pad) {
  checkUnary("pad %a", "3x5xf32", "3x7xf32", "tensor<3x5xf32> -> tensor<3x7xf32>");
  checkUnary("pad %a", "1x5xf32", "2x5xf32", "tensor<1x5xf32> -> tensor<2x5xf32>");
}

TEST_F(Gradient, Slice) {
  checkUnary("slice %a", "3x7xf32", "3x5xf32", "tensor<3x7xf32> -> tensor<3x5xf32>");
  checkUnary("slice %a", "3x7xf32", "1x1xf32", "tensor<3x7xf32> -> tensor<1x1xf32>");
}

TEST_F(Gradient, PadAndSliceFromAnOffset) {
  for (int round = 0; round < 8; ++round) {
    std::array<int64_t, 3> small, large, low;
    for (int dim = 0; dim < 3; ++dim) {
      int64_t behind = size(3) - 1;
      small[dim] = size(4), low[dim] = size(3) - 1, large[dim] = low[dim] + small[dim] + behind;
    }
    std::string a = nn::shapeText(small) + "xf32", b = nn::shapeText(large) + "xf32";
    std::string from = llvm::formatv(" %a from [{0}, {1}, {2}]", low[0], low[1], low[2]);
    checkUnary("pad" + from, a, b, "tensor<" + a + "> -> tensor<" + b + ">");
    checkUnary("slice" + from, b, a, "tensor<" + b + "> -> tensor<" + a + ">");
  }
}

TEST_F(Gradient, Matmul) {
  checkBinary("matmul %a, %b", "3x5xf32", "5x2xf32", "3x2xf32",
              "tensor<3x5xf32>, tensor<5x2xf32> -> tensor<3x2xf32>");
  checkBinary("batch_matmul %a, %b", "2x3x5xf32", "2x5x7xf32", "2x3x7xf32",
              "tensor<2x3x5xf32>, tensor<2x5x7xf32> -> tensor<2x3x7xf32>");
  checkBinary("matmul %a, %b", "1x1xf32", "1x1xf32", "1x1xf32",
              "tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>");
}

TEST_F(Gradient, ContractWithPaddingOnEveryOperand) {
  checkBinary("contract %a, %b sizes [3, 4, 2, 5] maps [affine_map<(t, k, a, i) -> (t, k * 5 + i)>,"
              " affine_map<(t, k, a, i) -> (k, a, i)>, affine_map<(t, k, a, i) -> (t, k * 2 + a)>]",
              "3x17xf32", "4x2x4xf32", "3x7xf32",
              "tensor<3x17xf32>, tensor<4x2x4xf32> -> tensor<3x7xf32>");
}

TEST_F(Gradient, Linear) {
  check("func.func @f(%x: tensor<3x5xf32>, %w: tensor<7x5xf32>, %b: tensor<7xf32>) -> "
        "tensor<3x7xf32> {\n  %0 = nn.linear %x, %w bias %b : tensor<7xf32> : tensor<3x5xf32>, "
        "tensor<7x5xf32> -> tensor<3x7xf32>\n  return %0 : tensor<3x7xf32>\n}");
}

TEST_F(Gradient, LowRankLinear) {
  for (auto [rows, in, r, out] : {std::array{3, 11, 2, 7}, {1, 5, 1, 3}, {4, 1, 1, 1}})
    check(llvm::formatv(
        "func.func @f(%x: tensor<{0}x{1}xf32>, %d: tensor<{2}x{1}xf32>, %u: tensor<{3}x{2}xf32>, "
        "%b: tensor<{3}xf32>) -> tensor<{0}x{3}xf32> {{\n"
        "  %0 = nn.low_rank_linear %x, %d, %u bias %b : tensor<{3}xf32> : tensor<{0}x{1}xf32>, "
        "tensor<{2}x{1}xf32>, tensor<{3}x{2}xf32> -> tensor<{0}x{3}xf32>\n"
        "  return %0 : tensor<{0}x{3}xf32>\n}",
        rows, in, r, out));
}

TEST_F(Gradient, MonarchLinear) {
  // rows, blocks, in, q, out: square, ragged on either side, primes, ones, more blocks than inputs
  for (auto [rows, blocks, in, q, out] : {std::array{2, 2, 4, 2, 4},
                                          {3, 3, 7, 2, 11},
                                          {1, 4, 13, 3, 10},
                                          {2, 1, 5, 3, 2},
                                          {1, 5, 3, 1, 2},
                                          {2, 3, 1, 1, 1}}) {
    int p = llvm::divideCeil(in, blocks), s = llvm::divideCeil(out, blocks);
    check(llvm::formatv(
        "func.func @f(%x: tensor<{0}x{2}xf32>, %w: tensor<{1}x{3}x{5}xf32>, "
        "%v: tensor<{1}x{6}x{3}xf32>, %b: tensor<{4}xf32>) -> tensor<{0}x{4}xf32> {{\n"
        "  %0 = nn.monarch_linear %x, %w, %v bias %b : tensor<{4}xf32> : tensor<{0}x{2}xf32>, "
        "tensor<{1}x{3}x{5}xf32>, tensor<{1}x{6}x{3}xf32> -> tensor<{0}x{4}xf32>\n"
        "  return %0 : tensor<{0}x{4}xf32>\n}",
        rows, blocks, in, q, out, p, s));
  }
}

TEST_F(Gradient, BlockDiagonalLinear) {
  // rows, blocks, in, out: square, ragged on either side, primes, ones, one block
  for (auto [rows, blocks, in, out] : {std::array{2, 2, 4, 4},
                                       {3, 3, 7, 11},
                                       {1, 4, 13, 10},
                                       {2, 1, 5, 2},
                                       {2, 3, 3, 3},
                                       {2, 1, 1, 1}}) {
    int p = llvm::divideCeil(in, blocks), s = llvm::divideCeil(out, blocks);
    check(llvm::formatv(
        "func.func @f(%x: tensor<{0}x{2}xf32>, %w: tensor<{1}x{5}x{4}xf32>, %b: tensor<{3}xf32>) "
        "-> tensor<{0}x{3}xf32> {{\n"
        "  %0 = nn.block_diagonal_linear %x, %w bias %b : tensor<{3}xf32> : tensor<{0}x{2}xf32>, "
        "tensor<{1}x{5}x{4}xf32> -> tensor<{0}x{3}xf32>\n"
        "  return %0 : tensor<{0}x{3}xf32>\n}",
        rows, blocks, in, out, p, s));
  }
}

TEST_F(Gradient, LayerNorm) {
  auto checkSize = [&](int64_t rows, int64_t columns, double epsilon) {
    check(llvm::formatv(
        "func.func @f(%x: tensor<{0}x{1}xf32>, %w: tensor<{1}xf32>, %b: tensor<{1}xf32>) -> "
        "tensor<{0}x{1}xf32> {{\n  %0, %m, %r = nn.layer_norm %x, %w, %b epsilon {2:f6} : "
        "tensor<{0}x{1}xf32>, tensor<{1}xf32>, tensor<{1}xf32> -> tensor<{0}xf32>\n"
        "  return %0 : tensor<{0}x{1}xf32>\n}",
        rows, columns, epsilon));
  };
  for (auto [rows, columns] : {std::pair{1, 7}, {3, 13}, {5, 16}})
    checkSize(rows, columns, 1e-5);
  // Rows of few columns can be almost constant: a larger epsilon keeps the curvature small.
  for (auto [rows, columns] : {std::pair{1, 1}, {7, 1}, {5, 2}, {2, 3}})
    checkSize(rows, columns, 0.5);
  for (int round = 0; round < 6; ++round) {
    int64_t rows = size(5), columns = size(11);
    checkSize(rows, columns, 0.5);
  }
}

TEST_F(Gradient, Attention) {
  auto checkSize = [&](int64_t batch, int64_t tokens, int64_t heads, int64_t width) {
    check(llvm::formatv("func.func @f(%q: tensor<{0}x{1}x{3}xf32>, %k: tensor<{0}x{1}x{3}xf32>, "
                        "%v: tensor<{0}x{1}x{3}xf32>) -> tensor<{0}x{1}x{3}xf32> {{\n"
                        "  %0, %l = nn.attention %q, %k, %v heads {2} : tensor<{0}x{1}x{3}xf32> -> "
                        "tensor<{0}x{2}x{1}xf32>\n  return %0 : tensor<{0}x{1}x{3}xf32>\n}",
                        batch, tokens, heads, heads * width));
  };
  for (int64_t tokens : {1, 2, 5, 7})
    for (int64_t heads : {1, 2, 3}) {
      int64_t batch = size(3), width = size(5);
      checkSize(batch, tokens, heads, width);
    }
  checkSize(1, 1, 1, 1);
  checkSize(2, 3, 5, 1);
  checkSize(1, 11, 1, 2);
}

TEST_F(Gradient, AttentionOfAValueWithItself) {
  check("func.func @f(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {\n"
        "  %0, %l = nn.attention %x, %x, %x heads 2 : tensor<2x3x4xf32> -> tensor<2x2x3xf32>\n"
        "  return %0 : tensor<2x3x4xf32>\n}");
}

TEST_F(Gradient, MeanTokens) {
  auto checkSize = [&](int64_t batch, int64_t tokens, int64_t d) {
    std::string input = nn::shapeText({batch, tokens, d}) + "xf32",
                result = nn::shapeText({batch, d}) + "xf32";
    checkUnary("mean_tokens %a", input, result, "tensor<" + input + "> -> tensor<" + result + ">");
  };
  for (auto [batch, tokens, d] : {std::array{1, 1, 1}, {2, 5, 3}, {3, 1, 7}, {1, 7, 1}})
    checkSize(batch, tokens, d);
  for (int round = 0; round < 4; ++round) {
    int64_t batch = size(4), tokens = size(7), d = size(5);
    checkSize(batch, tokens, d);
  }
}

TEST_F(Gradient, DropoutDropsTheSameElements) {
  Tensor control = dropoutControl(/*seed=*/0x0123456789ABCDEF, /*step=*/7, /*firstSample=*/3);
  for (auto [batch, tokens, d, group] :
       {std::array{1, 1, 1, 1}, {3, 5, 7, 1}, {5, 2, 3, 6}, {2, 3, 4, 2}, {7, 1, 3, 3}})
    check(llvm::formatv("func.func @f(%a: tensor<{0}x{1}x{2}xf32>, %c: tensor<16xf32>) -> "
                        "tensor<{0}x{1}x{2}xf32> {{\n"
                        "  %0 = nn.dropout %a, %c rate 0.4 stream 11 group {3} : "
                        "tensor<{0}x{1}x{2}xf32>, tensor<16xf32>\n"
                        "  return %0 : tensor<{0}x{1}x{2}xf32>\n}",
                        batch, tokens, d, group),
          &control);
}

TEST_F(Gradient, TwoLayers) {
  check("func.func @f(%x: tensor<3x5xf32>, %w: tensor<4x5xf32>, %v: tensor<2x4xf32>) -> "
        "tensor<3x2xf32> {\n"
        "  %0 = nn.linear %x, %w : tensor<3x5xf32>, tensor<4x5xf32> -> tensor<3x4xf32>\n"
        "  %1 = nn.gelu %0 : tensor<3x4xf32>\n  %2 = nn.add %1, %0 : tensor<3x4xf32>, "
        "tensor<3x4xf32>\n"
        "  %3 = nn.linear %2, %v : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>\n"
        "  return %3 : tensor<3x2xf32>\n}");
}

TEST_F(Gradient, CrossEntropyOfTheMeanOverValidRows) {
  for (StringRef smoothing : {"0.0", "0.1"}) {
    OwningOpRef<ModuleOp> module = parse(
        context,
        llvm::formatv("func.func @f(%z: tensor<4x5xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>) -> "
                      "(tensor<4xf32>, tensor<4xf32>) {{\n"
                      "  %loss, %correct = nn.cross_entropy_loss %z, %y, %c smoothing {0} : "
                      "tensor<4x5xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, "
                      "tensor<4xf32>\n  return %loss, %correct : tensor<4xf32>, tensor<4xf32>\n}",
                      smoothing)
            .str());
    ASSERT_TRUE(module);
    auto function = *module->getOps<func::FuncOp>().begin();
    Tensor control({control::Count});
    control.data[control::InverseCount] = 1.0 / 3;
    control.data[control::GradientWeight] = control.data[control::InverseCount];
    SmallVector<Tensor> arguments{randomTensor({4, 5}, random), Tensor({4}, {2, -1, 0, 4}),
                                  control};
    Tensor mean({4}, std::vector<double>(4, 1.0 / 3)), none({4});
    auto error = test::gradientError(function, function, {0}, arguments, {mean, none});
    ASSERT_TRUE(succeeded(error));
    EXPECT_LE(*error, Tolerance);
  }
}

TEST_F(Gradient, CrossEntropyOfMixedLabels) {
  OwningOpRef<ModuleOp> module = parse(
      context, "func.func @f(%z: tensor<4x5xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>, "
               "%m: tensor<4xi32>, %w: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {\n"
               "  %loss, %correct = nn.cross_entropy_loss %z, %y, %c mix %m, %w : tensor<4xi32>, "
               "tensor<4xf32> smoothing 0.1 : tensor<4x5xf32>, tensor<4xi32>, tensor<16xf32> -> "
               "tensor<4xf32>, tensor<4xf32>\n  return %loss, %correct : tensor<4xf32>, "
               "tensor<4xf32>\n}");
  ASSERT_TRUE(module);
  auto function = *module->getOps<func::FuncOp>().begin();
  Tensor control({control::Count});
  control.data[control::InverseCount] = 1.0 / 3;
  control.data[control::GradientWeight] = control.data[control::InverseCount];
  SmallVector<Tensor> arguments{randomTensor({4, 5}, random), Tensor({4}, {2, -1, 0, 4}), control,
                                Tensor({4}, {1, 1, 0, 3}), Tensor({4}, {0.25, 0.5, 0.75, 1})};
  Tensor mean({4}, std::vector<double>(4, 1.0 / 3)), none({4});
  auto error = test::gradientError(function, function, {0}, arguments, {mean, none});
  ASSERT_TRUE(succeeded(error));
  EXPECT_LE(*error, Tolerance);
}

TEST_F(Gradient, EveryDifferentiableOperationIsCheckedHere) {
  const llvm::StringSet<> checked = {
      "nn.add",        "nn.relu",      "nn.gelu",        "nn.gelu_tanh", "nn.reshape",
      "nn.transpose",  "nn.pad",       "nn.slice",       "nn.contract",  "nn.cross_entropy_loss",
      "nn.layer_norm", "nn.attention", "nn.mean_tokens", "nn.dropout"};
  for (RegisteredOperationName name : context.getRegisteredOperations())
    if (name.hasInterface<nn::DifferentiableOpInterface>())
      EXPECT_TRUE(checked.contains(name.getStringRef())) << name.getStringRef().str();
}

TEST_F(Gradient, AWrongGradientIsFound) {
  // relu instead of gelu: the check itself must be able to fail.
  auto text = [](StringRef op) {
    return llvm::formatv("func.func @f(%a: tensor<9xf32>) -> tensor<9xf32> {{\n  %0 = nn.{0} %a : "
                         "tensor<9xf32>\n  return %0 : tensor<9xf32>\n}",
                         op)
        .str();
  };
  OwningOpRef<ModuleOp> gelu = parse(context, text("gelu")), relu = parse(context, text("relu"));
  auto function = *gelu->getOps<func::FuncOp>().begin();
  auto error = test::gradientError(function, *relu->getOps<func::FuncOp>().begin(), {0},
                                   randomArguments(function, random), {randomTensor({9}, random)});
  ASSERT_TRUE(succeeded(error));
  EXPECT_GT(*error, 1e-3);
}

} // namespace
