// Means over tokens, and dropout. Dropout's bits are those of runtime/base/Philox.h with the
// integers that runtime/plan/Control.h keeps in the bits of floats.
#include "runtime/base/Philox.h"
#include "runtime/plan/Control.h"
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <bit>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

Tensor evaluate(nn::MeanTokensOp op, const Values &values) {
  const Tensor &input = values[op.getInput()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(input.shape, [&](ArrayRef<int64_t> at) {
    result.data[offsetOf({at[0], at[2]}, result.shape)] +=
        input.data[offsetOf(at, input.shape)] / input.shape[1];
  });
  return result;
}

Tensor evaluate(nn::MeanTokensBackwardOp op, const Values &values) {
  const Tensor &gradient = values[op.getGradient()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(result.shape, [&](ArrayRef<int64_t> at) {
    result.data[offsetOf(at, result.shape)] =
        gradient.data[offsetOf({at[0], at[2]}, gradient.shape)] / result.shape[1];
  });
  return result;
}

/// The integer in the bits of a control value.
uint32_t wordOf(const Tensor &control, size_t index) {
  return std::bit_cast<uint32_t>(float(control.data[index]));
}

constexpr uint32_t DropoutDomain = 0x64726F70; // "drop": no other use of the key has this word

Tensor evaluate(nn::DropoutOp op, const Values &values) {
  const Tensor &control = values[op.getControl()];
  Tensor result = values[op.getInput()];
  if (result.size() == 0)
    return result;
  double rate = op.getRate().convertToDouble();
  int64_t samples = result.shape.empty() ? 1 : result.shape[0], group = op.getGroup();
  uint32_t groupsPerSample = result.size() / samples / group;
  uint32_t first = wordOf(control, control::FirstSample) * groupsPerSample;
  PhiloxKey key{wordOf(control, control::RandomKey0), wordOf(control, control::RandomKey1)};
  for (int64_t i = 0; i < result.size(); ++i) {
    PhiloxCounter counter{uint32_t(i / group) + first, uint32_t(op.getStream()),
                          wordOf(control, control::RandomStep), DropoutDomain};
    double u = unitFloat(philox4x32(counter, key)[0]);
    result.data[i] = u >= rate ? result.data[i] / (1 - rate) : 0;
  }
  return result;
}

} // namespace

LogicalResult reference::evaluateTokens(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::MeanTokensOp, nn::MeanTokensBackwardOp, nn::DropoutOp>([&](auto typed) {
        values.set(typed.getResult(), evaluate(typed, values));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
