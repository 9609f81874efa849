// The reference interpreter's normalisation, attention, means over tokens and ranges, on numbers
// worked out by hand.
#include "test/dialects/nn/InterpreterTest.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

using ReferenceTokens = test::InterpreterTest;

void expectNear(const Tensor &tensor, const std::vector<double> &expected) {
  ASSERT_EQ(tensor.data.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(tensor.data[i], expected[i], 1e-12) << "element " << i;
}

TEST_F(ReferenceTokens, LayerNorm) {
  // Row (1, 3): mean 2, variance 1, and epsilon = 3 makes rstd 1/2. Row (5, 5): no variance.
  auto results =
      run("func.func @f(%x: tensor<2x2xf32>, %w: tensor<2xf32>, %b: tensor<2xf32>) -> "
          "(tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>) {\n"
          "  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 3.0 : tensor<2x2xf32>, tensor<2xf32>, "
          "tensor<2xf32> -> tensor<2xf32>\n"
          "  return %y, %m, %r : tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>\n}",
          {Tensor({2, 2}, {1, 3, 5, 5}), Tensor({2}, {2, 4}), Tensor({2}, {10, 20})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {10 - 1, 20 + 2, 10, 20});
  expectNear((*results)[1], {2, 5});
  expectNear((*results)[2], {0.5, 1 / std::sqrt(3)});
}

TEST_F(ReferenceTokens, LayerNormBackward) {
  // g = (2, 0), h = (-1/2, 1/2): mean(g) = 1, mean(g h) = -1/2.
  auto results = run("func.func @f(%x: tensor<1x2xf32>, %w: tensor<2xf32>, %m: tensor<1xf32>, "
                     "%r: tensor<1xf32>, %g: tensor<1x2xf32>) -> tensor<1x2xf32> {\n"
                     "  %0 = nn.layer_norm_backward %x, %w, %m, %r, %g : tensor<1x2xf32>, "
                     "tensor<2xf32>, tensor<1xf32>\n  return %0 : tensor<1x2xf32>\n}",
                     {Tensor({1, 2}, {1, 3}), Tensor({2}, {2, 4}), Tensor({1}, {2}),
                      Tensor({1}, {0.5}), Tensor({1, 2}, {1, 0})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {0.375, -0.375});
}

TEST_F(ReferenceTokens, LayerNormWeightBackward) {
  // h = (-1/2, 1/2) and (3, -6).
  auto results =
      run("func.func @f(%x: tensor<2x2xf32>, %m: tensor<2xf32>, %r: tensor<2xf32>, "
          "%g: tensor<2x2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {\n"
          "  %w, %b = nn.layer_norm_weight_backward %x, %m, %r, %g : tensor<2x2xf32>, "
          "tensor<2xf32> -> tensor<2xf32>\n  return %w, %b : tensor<2xf32>, tensor<2xf32>\n}",
          {Tensor({2, 2}, {1, 3, 4, 1}), Tensor({2}, {2, 3}), Tensor({2}, {0.5, 3}),
           Tensor({2, 2}, {10, 20, 1, 2})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {-5 + 3, 10 - 12});
  expectNear((*results)[1], {11, 22});
}

TEST_F(ReferenceTokens, AttentionOfTwoHeads) {
  // Head 0 (columns 0 to 3, scale 1/2): scores (0, log 3) and (0, 0). Head 1: all scores 0.
  Tensor query({1, 2, 8}), key({1, 2, 8}), value({1, 2, 8});
  query.data[0] = 2;
  key.data[8] = std::log(3);
  value.data[0] = 1, value.data[8] = 5;
  value.data[7] = 2, value.data[15] = 4;
  auto results =
      run("func.func @f(%q: tensor<1x2x8xf32>, %k: tensor<1x2x8xf32>, %v: tensor<1x2x8xf32>) -> "
          "(tensor<1x2x8xf32>, tensor<1x2x2xf32>) {\n"
          "  %0, %l = nn.attention %q, %k, %v heads 2 : tensor<1x2x8xf32> -> tensor<1x2x2xf32>\n"
          "  return %0, %l : tensor<1x2x8xf32>, tensor<1x2x2xf32>\n}",
          {query, key, value});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {4, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 3});
  expectNear((*results)[1], {std::log(4), std::log(2), std::log(2), std::log(2)});
}

TEST_F(ReferenceTokens, AttentionKeepsSamplesApartAndDoesNotOverflow) {
  // One column; scores of +-1e6 choose one token of the own sample.
  auto results =
      run("func.func @f(%q: tensor<2x2x1xf32>, %k: tensor<2x2x1xf32>, %v: tensor<2x2x1xf32>) -> "
          "(tensor<2x2x1xf32>, tensor<2x1x2xf32>) {\n"
          "  %0, %l = nn.attention %q, %k, %v heads 1 : tensor<2x2x1xf32> -> tensor<2x1x2xf32>\n"
          "  return %0, %l : tensor<2x2x1xf32>, tensor<2x1x2xf32>\n}",
          {Tensor({2, 2, 1}, {1e3, -1e3, 1e3, -1e3}), Tensor({2, 2, 1}, {1e3, -1e3, -1e3, 1e3}),
           Tensor({2, 2, 1}, {1, 2, 3, 4})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {1, 2, 4, 3});
  expectNear((*results)[1], {1e6, 1e6, 1e6, 1e6});
}

TEST_F(ReferenceTokens, AttentionBackwardTakesWhatItIsGiven) {
  // Scores (0, log 3) and (0, 0); logsumexp log 8 gives p = (1/8, 3/8), result 2 gives D = 2, so
  // ds = (-1/8, 9/8). The second token's gradient is 0.
  double log3 = std::log(3);
  auto results = run(
      "func.func @f(%q: tensor<1x2x1xf32>, %k: tensor<1x2x1xf32>, %v: tensor<1x2x1xf32>, "
      "%y: tensor<1x2x1xf32>, %l: tensor<1x1x2xf32>, %g: tensor<1x2x1xf32>) -> "
      "(tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>) {\n"
      "  %0:3 = nn.attention_backward %q, %k, %v, %y, %l, %g heads 1 : tensor<1x2x1xf32>, "
      "tensor<1x1x2xf32>\n"
      "  return %0#0, %0#1, %0#2 : tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>\n}",
      {Tensor({1, 2, 1}, {1, 0}), Tensor({1, 2, 1}, {0, log3}), Tensor({1, 2, 1}, {1, 5}),
       Tensor({1, 2, 1}, {2, 7}), Tensor({1, 1, 2}, {std::log(8), 0}), Tensor({1, 2, 1}, {1, 0})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {1.125 * log3, 0});
  expectNear((*results)[1], {-0.125, 1.125});
  expectNear((*results)[2], {0.125, 0.375});
}

TEST_F(ReferenceTokens, AttentionBackwardScalesQueryAndKeyOnly) {
  // d = 4, scale 1/2, p = 1: D = 0, ds = gradient value = 3 with value = (3, 0, 0, 0).
  Tensor one({1, 1, 4}, {1, 0, 0, 0}), key({1, 1, 4}, {5, 6, 7, 8}), query({1, 1, 4}, {0, 2, 0, 0});
  Tensor score({1, 1, 1}, {0.5 * 2 * 6});
  auto results =
      run("func.func @f(%q: tensor<1x1x4xf32>, %k: tensor<1x1x4xf32>, %v: tensor<1x1x4xf32>, "
          "%y: tensor<1x1x4xf32>, %l: tensor<1x1x1xf32>, %g: tensor<1x1x4xf32>) -> "
          "(tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>) {\n"
          "  %0:3 = nn.attention_backward %q, %k, %v, %y, %l, %g heads 1 : tensor<1x1x4xf32>, "
          "tensor<1x1x1xf32>\n"
          "  return %0#0, %0#1, %0#2 : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>\n}",
          {query, key, Tensor({1, 1, 4}, {3, 0, 0, 0}), Tensor({1, 1, 4}), score, one});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {7.5, 9, 10.5, 12});
  expectNear((*results)[1], {0, 3, 0, 0});
  expectNear((*results)[2], {1, 0, 0, 0});
}

TEST_F(ReferenceTokens, MeanTokens) {
  auto results =
      run("func.func @f(%x: tensor<2x3x2xf32>) -> (tensor<2x2xf32>, tensor<2x3x2xf32>) {\n"
          "  %0 = nn.mean_tokens %x : tensor<2x3x2xf32> -> tensor<2x2xf32>\n"
          "  %1 = nn.mean_tokens_backward %0 : tensor<2x2xf32> -> tensor<2x3x2xf32>\n"
          "  return %0, %1 : tensor<2x2xf32>, tensor<2x3x2xf32>\n}",
          {Tensor({2, 3, 2}, {1, 10, 2, 20, 6, 60, 0, 0, 3, -3, 6, -6})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  expectNear((*results)[0], {3, 30, 3, -3});
  expectNear((*results)[1], {1, 10, 1, 10, 1, 10, 1, -1, 1, -1, 1, -1});
}

TEST_F(ReferenceTokens, PadAndSliceFromAnOffset) {
  auto results = run("func.func @f(%x: tensor<2x3xf32>) -> (tensor<4x4xf32>, tensor<1x2xf32>) {\n"
                     "  %0 = nn.pad %x from [1, 0] : tensor<2x3xf32> -> tensor<4x4xf32>\n"
                     "  %1 = nn.slice %x from [1, 1] : tensor<2x3xf32> -> tensor<1x2xf32>\n"
                     "  return %0, %1 : tensor<4x4xf32>, tensor<1x2xf32>\n}",
                     {Tensor({2, 3}, {1, 2, 3, 4, 5, 6})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  EXPECT_EQ((*results)[0].data,
            (std::vector<double>{0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0, 0}));
  EXPECT_EQ((*results)[1].data, (std::vector<double>{5, 6}));
}

} // namespace
