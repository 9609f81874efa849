// train.dtype bf16: which values of a training step are rounded, and which are not. The gradients
// of a small residual network, written out by hand with every rounding in its place, against the
// compiled step as the reference interpreter runs it, in double precision: a value that is rounded
// once too often or too seldom is wrong by 2^-9, a thousand times the tolerance.
#include "test/compiler/target/StepTesting.h"

#include <bit>
#include <numbers>

using namespace danaus;
using namespace danaus::test;
using reference::Tensor;

namespace {

/// To the nearest bfloat16, ties to even.
double rounded(double value) {
  uint32_t bits = std::bit_cast<uint32_t>(float(value));
  return std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u);
}

Tensor rounded(Tensor x) {
  for (double &value : x.data)
    value = rounded(value);
  return x;
}

/// a (m, k) times b, of shape (k, n); both as they are.
Tensor product(const Tensor &a, const Tensor &b) {
  Tensor result({a.shape[0], b.shape[1]});
  for (int64_t m = 0; m < a.shape[0]; ++m)
    for (int64_t n = 0; n < b.shape[1]; ++n)
      for (int64_t k = 0; k < a.shape[1]; ++k)
        result.data[m * b.shape[1] + n] += a.data[m * a.shape[1] + k] * b.data[k * b.shape[1] + n];
  return result;
}

Tensor transposed(const Tensor &a) {
  Tensor result({a.shape[1], a.shape[0]});
  for (int64_t i = 0; i < a.size(); ++i)
    result.data[i % a.shape[1] * a.shape[0] + i / a.shape[1]] = a.data[i];
  return result;
}

Tensor sum(Tensor a, const Tensor &b) {
  for (int64_t i = 0; i < a.size(); ++i)
    a.data[i] += b.data[i % b.size()];
  return a;
}

Tensor sumOfRows(const Tensor &a) {
  Tensor result({a.shape[1]});
  for (int64_t i = 0; i < a.size(); ++i)
    result.data[i % a.shape[1]] += a.data[i];
  return result;
}

double normal(double x) { return 0.5 * (1 + std::erf(x / std::numbers::sqrt2)); }

/// Weight and bias of a linear; products see the weight rounded.
struct Linear {
  const Tensor &weight, &bias;

  Tensor of(const Tensor &x) const {
    return sum(product(rounded(x), transposed(rounded(weight))), bias);
  }
  Tensor back(const Tensor &gradient) const { return product(rounded(gradient), rounded(weight)); }
  /// Gradients of weight and bias: both see the rounded gradient, their sums stay as they are.
  static std::vector<Tensor> gradients(const Tensor &x, const Tensor &gradient) {
    return {product(transposed(rounded(gradient)), rounded(x)), sumOfRows(rounded(gradient))};
  }
};

/// The gradient of the logits: softmax less the label, over the rows that have one.
Tensor lossGradient(const Tensor &logits, const Tensor &labels, double weight) {
  Tensor result = logits;
  int64_t classes = logits.shape[1];
  for (int64_t row = 0; row < logits.shape[0]; ++row) {
    double *values = &result.data[row * classes], all = 0;
    for (int64_t c = 0; c < classes; ++c)
      all += std::exp(values[c]);
    for (int64_t c = 0; c < classes; ++c)
      values[c] =
          labels.data[row] < 0 ? 0 : (std::exp(values[c]) / all - (labels.data[row] == c)) * weight;
  }
  return result;
}

class RoundedGradients : public testing::TestWithParam<const char *> {};
TEST_P(RoundedGradients, AreRoundedWhereProductsAndSavedValuesAre) {
  bool isRelu = std::string(GetParam()) == "relu";
  Model model(std::string("name: r\nmodel:\n  input: {shape: [5]}\n  layers:\n"
                          "    - linear: {name: a, out: 4}\n"
                          "    - residual: [{linear: {name: b, out: 6}}, ") +
              GetParam() +
              ", {linear: {name: c, out: 4}}]\n    - linear: {name: d, out: 3}\n"
              "data: {name: npy}\ntrain: {dtype: bf16, batch_size: 7}\n"
              "optimizer: {type: sgd, lr: 1.0}\n");
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, 3);
  arguments[2].data[control::LearningRate] = 1;
  auto results = reference::interpret(model.step("train_step"), arguments);
  ASSERT_TRUE(succeeded(results));
  ASSERT_EQ(arguments.size(), 3u + 8);

  const Tensor &x = arguments[0], *parameters = &arguments[3];
  Linear a{parameters[0], parameters[1]}, b{parameters[2], parameters[3]},
      c{parameters[4], parameters[5]}, d{parameters[6], parameters[7]};
  Tensor stream = a.of(x), input = b.of(stream), hidden = input;
  for (double &value : hidden.data)
    value = isRelu ? std::max(value, 0.0) : value * normal(value);
  Tensor last = sum(stream, c.of(hidden));

  Tensor ofLogits =
      lossGradient(d.of(last), arguments[1], arguments[2].data[control::GradientWeight]);
  Tensor ofLast = d.back(ofLogits), ofInput = c.back(ofLast);
  for (int64_t i = 0; i < ofInput.size(); ++i) {
    double saved = rounded(input.data[i]);
    double density = std::exp(-0.5 * saved * saved) / std::sqrt(2 * std::numbers::pi);
    ofInput.data[i] *= isRelu ? saved > 0 : normal(saved) + saved * density;
  }
  Tensor ofStream = sum(ofLast, b.back(ofInput)); // not of the rounded ofLast
  std::vector<Tensor> wanted;
  for (const auto &own : {Linear::gradients(x, ofStream), Linear::gradients(stream, ofInput),
                          Linear::gradients(hidden, ofLast), Linear::gradients(last, ofLogits)})
    wanted.insert(wanted.end(), own.begin(), own.end());

  for (size_t i = 0; i < wanted.size(); ++i) {
    double scale = 0, error = 0;
    for (int64_t j = 0; j < wanted[i].size(); ++j) {
      double got = parameters[i].data[j] - (*results)[i].data[j]; // the rate is 1
      scale = std::max(scale, std::fabs(wanted[i].data[j]));
      error = std::max(error, std::fabs(got - wanted[i].data[j]));
    }
    EXPECT_GT(scale, 1e-3) << "parameter " << i;
    EXPECT_TRUE(error <= 1e-6 * scale) << "parameter " << i << ": " << error / scale;
  }
}
INSTANTIATE_TEST_SUITE_P(Activations, RoundedGradients, testing::Values("gelu", "relu"));

} // namespace
