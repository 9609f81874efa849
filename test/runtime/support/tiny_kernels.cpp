// The kernels of the tiny model (TinyModel.h), written by hand so that the trainer is tested
// without the compiler: z = x W^T + b, loss = mean over the valid rows of |z - onehot(label)|^2 /
// 2, and SGD with momentum.
#include "runtime/plan/Control.h"

#include <cmath>
#include <cstdint>

using namespace danaus;

namespace {

constexpr int Batch = 8, MicroBatch = 2, Inputs = 784, Classes = 10;

/// Turns z into dloss/dz of one row, returns the row's loss.
float row(const float *w, const float *b, const float *x, int32_t label, float *z, float &correct) {
  float loss = 0;
  int largest = 0;
  for (int c = 0; c < Classes; ++c) {
    z[c] = b[c];
    for (int i = 0; i < Inputs; ++i)
      z[c] += w[c * Inputs + i] * x[i];
    if (z[c] > z[largest])
      largest = c;
  }
  correct += float(largest == label);
  for (int c = 0; c < Classes; ++c) {
    z[c] -= float(c == label);
    loss += z[c] * z[c] / 2;
  }
  return loss;
}

/// Arguments: w, b, input, label, control, metrics. Writes dloss/dz [rows, Classes] to `errors`.
void forward(void *const *buffers, float *errors, int rows = Batch) {
  auto *w = static_cast<const float *>(buffers[0]), *b = static_cast<const float *>(buffers[1]);
  auto *x = static_cast<const float *>(buffers[2]);
  auto *label = static_cast<const int32_t *>(buffers[3]);
  auto *scalars = static_cast<const float *>(buffers[4]);
  auto *results = static_cast<float *>(buffers[5]);
  float sum = 0, correct = 0;
  for (int r = 0; r < rows; ++r) {
    float *z = errors + r * Classes;
    if (label[r] >= 0)
      sum += row(w, b, x + r * Inputs, label[r], z, correct);
    else
      for (int c = 0; c < Classes; ++c)
        z[c] = 0;
  }
  results[metrics::Loss] = sum * scalars[control::InverseCount];
  results[metrics::Correct] = correct;
}

void update(float &value, float &momentum, float gradient, const float *scalars) {
  momentum = scalars[control::FirstUpdate] != 0 ? gradient : 0.9f * momentum + gradient;
  value -= scalars[control::LearningRate] * momentum;
}

} // namespace

/// w, b, input, label, control, metrics: of a micro-batch
extern "C" void tiny_eval_micro(void *const *buffers, int64_t, void *) {
  float errors[MicroBatch * Classes];
  forward(buffers, errors, MicroBatch);
}

/// w, b, input, label, control, sums (a metrics buffer), gradients of w and b: adds a micro-batch.
extern "C" void tiny_gradient(void *const *buffers, int64_t, void *) {
  float errors[MicroBatch * Classes], batch[metrics::Count];
  auto floats = [&](int i) { return static_cast<float *>(buffers[i]); };
  void *const arguments[] = {buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], batch};
  forward(arguments, errors, MicroBatch);
  float keep = 1 - floats(4)[control::FirstMicroBatch], inverse = floats(4)[control::InverseCount];
  auto add = [&](float &sum, float term) { sum = keep != 0 ? sum + term : term; };
  add(floats(5)[metrics::Loss], batch[metrics::Loss]);
  add(floats(5)[metrics::Correct], batch[metrics::Correct]);
  for (int c = 0; c < Classes; ++c) {
    float bias = 0;
    for (int r = 0; r < MicroBatch; ++r)
      bias += errors[r * Classes + c];
    add(floats(7)[c], bias * inverse);
    for (int i = 0; i < Inputs; ++i) {
      float weight = 0;
      for (int r = 0; r < MicroBatch; ++r)
        weight += errors[r * Classes + c] * floats(2)[r * Inputs + i];
      add(floats(6)[c * Inputs + i], weight * inverse);
    }
  }
}

/// w, b, momentum of w, of b, gradient of w, of b, control, sums, metrics: the update of all of it.
extern "C" void tiny_apply(void *const *buffers, int64_t, void *) {
  auto floats = [&](int i) { return static_cast<float *>(buffers[i]); };
  floats(8)[metrics::Loss] = floats(7)[metrics::Loss];
  floats(8)[metrics::Correct] = floats(7)[metrics::Correct];
  if (!std::isfinite(floats(8)[metrics::Loss]))
    return;
  for (int i = 0; i < Classes * Inputs; ++i)
    update(floats(0)[i], floats(2)[i], floats(4)[i], floats(6));
  for (int i = 0; i < Classes; ++i)
    update(floats(1)[i], floats(3)[i], floats(5)[i], floats(6));
}

/// w, b, averages of w and b, metrics: the averages, of decay 0.75, after an update that was made.
extern "C" void tiny_average(void *const *buffers, int64_t, void *) {
  auto floats = [&](int i) { return static_cast<float *>(buffers[i]); };
  if (!std::isfinite(floats(4)[metrics::Loss]))
    return;
  for (int i = 0; i < Classes * Inputs; ++i)
    floats(2)[i] = 0.75f * floats(2)[i] + 0.25f * floats(0)[i];
  for (int i = 0; i < Classes; ++i)
    floats(3)[i] = 0.75f * floats(3)[i] + 0.25f * floats(1)[i];
}

/// w, b, input, label, control, metrics, logits (of rows with a label)
extern "C" void tiny_eval(void *const *buffers, int64_t, void *) {
  auto *logits = static_cast<float *>(buffers[6]);
  auto *label = static_cast<const int32_t *>(buffers[3]);
  forward(buffers, logits);
  for (int r = 0; r < Batch; ++r)
    if (label[r] >= 0)
      logits[r * Classes + label[r]] += 1;
}

/// w, b, input, label, control, metrics, errors
extern "C" void tiny_forward(void *const *buffers, int64_t, void *) {
  forward(buffers, static_cast<float *>(buffers[6]));
}

/// w, b, momentum of w, momentum of b, input, control, metrics, errors; a tile is a class. Makes no
/// update when the loss is not finite, as compiled optimizers do.
extern "C" void tiny_update(void *const *buffers, int64_t tile, void *) {
  auto floats = [&](int i) { return static_cast<float *>(buffers[i]); };
  float *w = floats(0) + tile * Inputs, *mw = floats(2) + tile * Inputs;
  const float *x = floats(4), *scalars = floats(5), *errors = floats(7) + tile;
  if (!std::isfinite(floats(6)[metrics::Loss]))
    return;
  float inverse = scalars[control::InverseCount], sum = 0;
  for (int r = 0; r < Batch; ++r)
    sum += errors[r * Classes];
  for (int i = 0; i < Inputs; ++i) {
    float gradient = 0;
    for (int r = 0; r < Batch; ++r)
      gradient += errors[r * Classes] * x[r * Inputs + i];
    update(w[i], mw[i], gradient * inverse, scalars);
  }
  update(floats(1)[tile], floats(3)[tile], sum * inverse, scalars);
}
