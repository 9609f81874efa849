// The reference interpreter itself, on numbers worked out by hand.
#include "runtime/plan/Control.h"
#include "test/dialects/nn/InterpreterTest.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

class Reference : public test::InterpreterTest {
protected:
  /// A step on parameter 2, gradient 0.5 and all state 0.25, at the learning rate 0.1, Adam's
  /// corrections being those of the first step with betas 0.9 and 0.99.
  void step(const std::string &op, double loss = 1, double norm = 0, double first = 0) {
    Tensor control({control::Count}), metrics({metrics::Count});
    control.data[control::LearningRate] = 0.1;
    control.data[control::Correction1] = 10;
    control.data[control::Correction2] = 10;
    control.data[control::FirstUpdate] = first;
    metrics.data[metrics::Loss] = loss;
    metrics.data[metrics::GradNorm] = norm;
    auto all = run("func.func @f(%p: tensor<f32>, %g: tensor<f32>, %s: tensor<f32>, "
                   "%c: tensor<16xf32>, %m: tensor<16xf32>) -> tensor<f32> {\n" +
                       op + "\n  return %0#0 : tensor<f32>\n}",
                   {Tensor({}, {2}), Tensor({}, {0.5}), Tensor({}, {0.25}), control, metrics});
    ASSERT_TRUE(succeeded(all)) << diagnostics;
    parameter = (*all)[0].data[0];
  }

  void sgd(const std::string &attributes, double loss = 1, double norm = 0, double first = 0) {
    step("%0:2 = nn.sgd_step %p, %g, %c, %m, %s {" + attributes +
             "} : (tensor<f32>, tensor<f32>, tensor<16xf32>, tensor<16xf32>, tensor<f32>) -> "
             "(tensor<f32>, tensor<f32>)",
         loss, norm, first);
  }
  void adam(const std::string &attributes) {
    step(
        "%0:3 = nn.adam_step %p, %g, %c, %m, %s, %s {beta1 = 0.9, beta2 = 0.99, epsilon = 0.125, " +
        attributes +
        "} : (tensor<f32>, tensor<f32>, tensor<16xf32>, tensor<16xf32>, tensor<f32>, tensor<f32>) "
        "-> (tensor<f32>, tensor<f32>, tensor<f32>)");
  }

  double parameter = NAN;
};

TEST_F(Reference, SgdWithMomentum) {
  sgd("momentum = 0.5, weight_decay = 0.0");
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * (0.5 * 0.25 + 0.5));
}

TEST_F(Reference, SgdStartsItsVelocityWithTheGradient) {
  sgd("momentum = 0.5, weight_decay = 0.0", 1, 0, /*first=*/1);
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * 0.5);
}

TEST_F(Reference, SgdDecayIsCoupled) {
  sgd("momentum = 0.5, weight_decay = 0.25");
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * (0.5 * 0.25 + 0.5 + 0.25 * 2));
}

TEST_F(Reference, ClippingScalesTheGradient) {
  sgd("momentum = 0.0, weight_decay = 0.0, max_norm = 1.0", 1, /*norm=*/4);
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * 0.5 / 4.000001);
  sgd("momentum = 0.0, weight_decay = 0.0, max_norm = 1.0", 1, /*norm=*/0.5);
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * 0.5);
}

TEST_F(Reference, NothingIsUpdatedAfterALossThatIsNotFinite) {
  for (double loss : {double(NAN), double(INFINITY)}) {
    sgd("momentum = 0.5, weight_decay = 0.25", loss);
    EXPECT_EQ(parameter, 2);
  }
}

TEST_F(Reference, Adam) {
  adam("weight_decay = 0.0");
  double m = 0.9 * 0.25 + 0.1 * 0.5, v = 0.99 * 0.25 + 0.01 * 0.5 * 0.5;
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * 10 * m / (std::sqrt(v) * 10 + 0.125));
}

TEST_F(Reference, AdamDecayIsCoupledOrDecoupled) {
  adam("weight_decay = 0.25");
  double g = 0.5 + 0.25 * 2, m = 0.9 * 0.25 + 0.1 * g, v = 0.99 * 0.25 + 0.01 * g * g;
  EXPECT_DOUBLE_EQ(parameter, 2 - 0.1 * 10 * m / (std::sqrt(v) * 10 + 0.125));
  adam("weight_decay = 0.25, decoupled");
  m = 0.9 * 0.25 + 0.1 * 0.5, v = 0.99 * 0.25 + 0.01 * 0.5 * 0.5;
  EXPECT_DOUBLE_EQ(parameter, 2 * (1 - 0.1 * 0.25) - 0.1 * 10 * m / (std::sqrt(v) * 10 + 0.125));
}

TEST_F(Reference, EmaAveragesTheNewParameterOfAnUpdateThatHappened) {
  for (double loss : {1.0, double(NAN)}) {
    step("%n = nn.sgd_step %p, %g, %c, %m {momentum = 0.0, weight_decay = 0.0} : (tensor<f32>, "
         "tensor<f32>, tensor<16xf32>, tensor<16xf32>) -> tensor<f32>\n"
         "%0 = nn.ema_step %s, %n, %m decay 0.75 : tensor<f32>, tensor<16xf32>",
         loss);
    double updated = 2 - 0.1 * 0.5;
    EXPECT_DOUBLE_EQ(parameter, loss == 1 ? 0.75 * 0.25 + 0.25 * updated : 0.25);
  }
}

TEST_F(Reference, CrossEntropyAndMetrics) {
  // Equal logits over 4 classes: the loss is log 4 with any smoothing; the first index is the
  // largest.
  Tensor control({control::Count});
  control.data[control::InverseCount] = 0.5;
  control.data[control::GradientWeight] = control.data[control::InverseCount];
  auto results = run(
      "func.func @f(%z: tensor<3x4xf32>, %y: tensor<3xi32>, %c: tensor<16xf32>, %n: tensor<2xf32>)"
      " -> (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>) {\n"
      "  %l, %h = nn.cross_entropy_loss %z, %y, %c smoothing 0.25 : tensor<3x4xf32>, tensor<3xi32>,"
      " tensor<16xf32> -> tensor<3xf32>, tensor<3xf32>\n"
      "  %m = nn.batch_metrics %l, %h, %c norm %n : tensor<2xf32> : tensor<3xf32>, tensor<16xf32> "
      "-> tensor<16xf32>\n  return %l, %h, %m : tensor<3xf32>, tensor<3xf32>, tensor<16xf32>\n}",
      {Tensor({3, 4}, std::vector<double>(12, 5.0)), Tensor({3}, {0, 3, -1}), control,
       Tensor({2}, {9, 16})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  const Tensor &loss = (*results)[0], &correct = (*results)[1], &metrics = (*results)[2];
  EXPECT_NEAR(loss.data[0], std::log(4), 1e-12);
  EXPECT_NEAR(loss.data[1], std::log(4), 1e-12);
  EXPECT_EQ(loss.data[2], 0);
  EXPECT_EQ(correct.data, (std::vector<double>{1, 0, 0}));
  EXPECT_NEAR(metrics.data[metrics::Loss], std::log(4), 1e-12);
  EXPECT_EQ(metrics.data[metrics::Correct], 1);
  EXPECT_EQ(metrics.data[metrics::GradNorm], 5);
}

TEST_F(Reference, CrossEntropyOfMixedLabelsIsLinearInTheTarget) {
  auto loss = [&](double label, double second, double weight) {
    auto results =
        run("func.func @f(%z: tensor<1x3xf32>, %y: tensor<1xi32>, %c: tensor<16xf32>, "
            "%m: tensor<1xi32>, %w: tensor<1xf32>) -> (tensor<1xf32>, tensor<1xf32>) {\n"
            "  %l, %h = nn.cross_entropy_loss %z, %y, %c mix %m, %w : tensor<1xi32>, tensor<1xf32> "
            "smoothing 0.25 : tensor<1x3xf32>, tensor<1xi32>, tensor<16xf32> -> tensor<1xf32>, "
            "tensor<1xf32>\n  return %l, %h : tensor<1xf32>, tensor<1xf32>\n}",
            {Tensor({1, 3}, {1, 2, 4}), Tensor({1}, {label}), Tensor({control::Count}),
             Tensor({1}, {second}), Tensor({1}, {weight})});
    EXPECT_TRUE(succeeded(results)) << diagnostics;
    EXPECT_EQ((*results)[1].data[0], label == 2); // the hit is the first label's
    return (*results)[0].data[0];
  };
  double first = loss(0, 0, 1), second = loss(2, 2, 1);
  EXPECT_NEAR(loss(0, 2, 0.7), 0.7 * first + 0.3 * second, 1e-12);
  EXPECT_NEAR(loss(0, 2, 1), first, 1e-12);
  EXPECT_NEAR(loss(0, 2, 0), second, 1e-12);
  EXPECT_EQ(loss(-1, 2, 0.7), 0);
}

TEST_F(Reference, SquareNormIsSpreadAsItLikes) {
  auto results =
      run("func.func @f(%a: tensor<2xf32>, %b: tensor<1xf32>) -> tensor<4xf32> {\n"
          "  %0 = nn.square_norm %a, %b : tensor<2xf32>, tensor<1xf32> -> tensor<4xf32>\n"
          "  return %0 : tensor<4xf32>\n}",
          {Tensor({2}, {1, 2}), Tensor({1}, {3})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  double sum = 0;
  for (double value : (*results)[0].data)
    sum += value;
  EXPECT_EQ(sum, 14);
}

TEST_F(Reference, AccumulateStartsWithTheFirstMicroBatch) {
  for (double first : {0, 1}) {
    Tensor control({control::Count});
    control.data[control::FirstMicroBatch] = first;
    auto results = run("func.func @f(%s: tensor<2xf32>, %t: tensor<2xf32>, %c: tensor<16xf32>) -> "
                       "tensor<2xf32> {\n"
                       "  %0 = nn.accumulate %s, %t, %c : tensor<2xf32>, tensor<16xf32>\n"
                       "  return %0 : tensor<2xf32>\n}",
                       {Tensor({2}, {first ? NAN : 1, 2}), Tensor({2}, {10, 20}), control});
    ASSERT_TRUE(succeeded(results)) << diagnostics;
    EXPECT_EQ((*results)[0].data,
              first ? (std::vector<double>{10, 20}) : (std::vector<double>{11, 22}));
  }
}

TEST_F(Reference, MonarchByHand) {
  // N = 2, in = out = 3 padded to 4, q = 1: h = (x0 + 2 x1, 3 x2); y = (h0, 10 h1, 5 h0).
  auto results = run(
      "func.func @f(%x: tensor<1x3xf32>, %w: tensor<2x1x2xf32>, %v: tensor<2x2x1xf32>) -> "
      "tensor<1x3xf32> {\n  %0 = nn.monarch_linear %x, %w, %v : tensor<1x3xf32>, tensor<2x1x2xf32>,"
      " tensor<2x2x1xf32> -> tensor<1x3xf32>\n  return %0 : tensor<1x3xf32>\n}",
      {Tensor({1, 3}, {1, 2, 3}), Tensor({2, 1, 2}, {1, 2, 3, 4}),
       Tensor({2, 2, 1}, {1, 5, 10, 7})});
  ASSERT_TRUE(succeeded(results)) << diagnostics;
  EXPECT_EQ((*results)[0].data, (std::vector<double>{5, 90, 25}));
}

TEST_F(Reference, ReluKeepsNaN) {
  auto results = run("func.func @f(%a: tensor<3xf32>) -> tensor<3xf32> {\n"
                     "  %0 = nn.relu %a : tensor<3xf32>\n  return %0 : tensor<3xf32>\n}",
                     {Tensor({3}, {-1, NAN, 2})});
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ((*results)[0].data[0], 0);
  EXPECT_TRUE(std::isnan((*results)[0].data[1]));
  EXPECT_EQ((*results)[0].data[2], 2);
}

TEST_F(Reference, SaysWhatIsWrongWithAnArgument) {
  const char *text = "func.func @f(%a: tensor<2x3xf32>) -> tensor<2x3xf32> {\n"
                     "  return %a : tensor<2x3xf32>\n}";
  EXPECT_TRUE(failed(run(text, {Tensor({3, 2})})));
  EXPECT_NE(diagnostics.find("argument 0 must be 2x3, got 3x2"), std::string::npos) << diagnostics;
  EXPECT_TRUE(failed(run(text, {})));
  EXPECT_NE(diagnostics.find("expects 1 arguments, got 0"), std::string::npos) << diagnostics;
}

TEST_F(Reference, SaysWhichOperationItDoesNotKnow) {
  EXPECT_TRUE(failed(run("func.func @f(%a: tensor<2xf32>) -> tensor<2xf32> {\n"
                         "  %0 = func.call @f(%a) : (tensor<2xf32>) -> tensor<2xf32>\n"
                         "  return %0 : tensor<2xf32>\n}",
                         {Tensor({2})})));
  EXPECT_NE(diagnostics.find("has no evaluator"), std::string::npos) << diagnostics;
}

/// To nearest, ties to even; the largest float32 numbers go to infinity, the smallest to 0.
TEST_F(Reference, RoundsToBf16) {
  double ulp = std::ldexp(1, -7), tiny = std::ldexp(1, -133);
  Tensor x({9}, {1 + ulp / 2, 1 + 1.5 * ulp, 1 + 0.51 * ulp, -1 - ulp / 2, 3.4e38, -INFINITY, 0,
                 0.5 * tiny, 1.5 * tiny});
  auto results = run("func.func @f(%x: tensor<9xf32>) -> tensor<9xf32> {\n"
                     "  %y = nn.round %x to bf16 : tensor<9xf32>\n  return %y : tensor<9xf32>\n}",
                     x);
  ASSERT_TRUE(succeeded(results));
  const std::vector<double> wanted{1,         1 + 2 * ulp, 1 + ulp, -1,      INFINITY,
                                   -INFINITY, 0,           0,       2 * tiny};
  EXPECT_EQ((*results)[0].data, wanted);
  results = run("func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> {\n"
                "  %y = nn.round %x to bf16 : tensor<1xf32>\n  return %y : tensor<1xf32>\n}",
                Tensor({1}, {NAN}));
  ASSERT_TRUE(succeeded(results));
  EXPECT_TRUE(std::isnan((*results)[0].data[0]));
}

TEST_F(Reference, EveryOperationHasAnEvaluator) {
  // The families' switches against the dialect: a new operation must be added to one of them.
  const llvm::StringSet<> known = {"nn.add",
                                   "nn.sum_leading",
                                   "nn.relu",
                                   "nn.relu_backward",
                                   "nn.gelu",
                                   "nn.gelu_backward",
                                   "nn.gelu_tanh",
                                   "nn.gelu_tanh_backward",
                                   "nn.round",
                                   "nn.reshape",
                                   "nn.after",
                                   "nn.transpose",
                                   "nn.pad",
                                   "nn.slice",
                                   "nn.layer_norm",
                                   "nn.layer_norm_backward",
                                   "nn.layer_norm_weight_backward",
                                   "nn.attention",
                                   "nn.attention_backward",
                                   "nn.mean_tokens",
                                   "nn.mean_tokens_backward",
                                   "nn.dropout",
                                   "nn.matmul",
                                   "nn.batch_matmul",
                                   "nn.linear",
                                   "nn.low_rank_linear",
                                   "nn.monarch_linear",
                                   "nn.block_diagonal_linear",
                                   "nn.contract",
                                   "nn.cross_entropy_loss",
                                   "nn.cross_entropy_backward",
                                   "nn.batch_metrics",
                                   "nn.square_norm",
                                   "nn.accumulate",
                                   "nn.sgd_step",
                                   "nn.adam_step",
                                   "nn.ema_step"};
  for (RegisteredOperationName name : context.getRegisteredOperations())
    if (name.getDialectNamespace() == "nn")
      EXPECT_TRUE(known.contains(name.getStringRef())) << name.getStringRef().str();
}

} // namespace
