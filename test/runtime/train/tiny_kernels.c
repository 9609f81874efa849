/* The kernels of the tiny model (TinyModel.h), written by hand so that the trainer is tested
 * without the compiler: z = x W^T + b, loss = mean over the valid rows of |z - onehot(label)|^2 /
 * 2, and SGD with momentum. The indices are those of runtime/plan/Control.h. */
#include <stdint.h>

enum { Batch = 8, Inputs = 784, Classes = 10 };
enum { LearningRate = 0, InverseCount = 1, FirstUpdate = 4 };
enum { Loss = 0, Correct = 1 };

/* Turns z into dloss/dz of one row, returns the row's loss. */
static float row(const float *w, const float *b, const float *x, int32_t label, float *z,
                 float *correct) {
  float loss = 0;
  int largest = 0;
  for (int c = 0; c < Classes; ++c) {
    z[c] = b[c];
    for (int i = 0; i < Inputs; ++i)
      z[c] += w[c * Inputs + i] * x[i];
    if (z[c] > z[largest])
      largest = c;
  }
  *correct += largest == label;
  for (int c = 0; c < Classes; ++c) {
    z[c] -= c == label;
    loss += z[c] * z[c] / 2;
  }
  return loss;
}

/* Writes the metrics and, where `errors` is not 0, dloss/dz [Batch, Classes]. */
static void forward(const float *w, const float *b, const float *x, const int32_t *label,
                    const float *control, float *metrics, float *errors) {
  float sum = 0, correct = 0, unused[Classes];
  for (int r = 0; r < Batch; ++r) {
    float *z = errors ? errors + r * Classes : unused;
    if (label[r] >= 0)
      sum += row(w, b, x + r * Inputs, label[r], z, &correct);
    else
      for (int c = 0; c < Classes; ++c)
        z[c] = 0;
  }
  metrics[Loss] = sum * control[InverseCount];
  metrics[Correct] = correct;
}

/* w, b, input, label, control, metrics */
void tiny_eval(void *const *buffers, int64_t tile, void *scratch) {
  forward(buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5], 0);
}

/* w, b, input, label, control, metrics, errors */
void tiny_forward(void *const *buffers, int64_t tile, void *scratch) {
  forward(buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5], buffers[6]);
}

static void update(float *value, float *momentum, float gradient, const float *control) {
  *momentum = control[FirstUpdate] != 0 ? gradient : 0.9f * *momentum + gradient;
  *value -= control[LearningRate] * *momentum;
}

/* w, b, momentum of w, momentum of b, input, control, metrics, errors; a tile is a class. Makes no
 * update when the loss is not finite, as compiled optimizers do. */
void tiny_update(void *const *buffers, int64_t tile, void *scratch) {
  float *w = (float *)buffers[0] + tile * Inputs, *b = (float *)buffers[1] + tile;
  float *mw = (float *)buffers[2] + tile * Inputs, *mb = (float *)buffers[3] + tile;
  const float *x = buffers[4], *control = buffers[5], *metrics = buffers[6], *errors = buffers[7];
  if (!(metrics[Loss] - metrics[Loss] == 0))
    return;
  float inverse = control[InverseCount], sum = 0;
  for (int r = 0; r < Batch; ++r)
    sum += errors[r * Classes + tile];
  for (int i = 0; i < Inputs; ++i) {
    float gradient = 0;
    for (int r = 0; r < Batch; ++r)
      gradient += errors[r * Classes + tile] * x[r * Inputs + i];
    update(&w[i], &mw[i], gradient * inverse, control);
  }
  update(b, mb, sum * inverse, control);
}
