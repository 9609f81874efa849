// Weights of one structure for a model of another: a file of tensors (safetensors) becomes the
// parameters of a compiled model. Linears are recognised by the names of their tensors:
// NAME.weight, NAME.down.weight and NAME.up.weight, NAME.blkdiag1 and NAME.blkdiag2.
#pragma once

#include "runtime/plan/model_generated.h"
#include "runtime/safetensors/Safetensors.h"
#include "runtime/structure/LinearWeights.h"

#include <string>
#include <vector>

namespace danaus {

/// What became of a linear whose structure changed.
struct LayerConversion {
  std::string name, from, to; ///< "hidden.0", "dense", "low_rank r=16"
  uint64_t in = 0, out = 0;
  uint64_t parametersBefore = 0, parametersAfter = 0; ///< of the weight
  double relativeError = 0; ///< in Frobenius norm, of the weight multiplied out
};

struct ConvertedWeights {
  std::vector<std::vector<float>> values; ///< in the order of the phase's parameters
  std::vector<LayerConversion> layers;    ///< those that changed, in that order
};

/// All parameters of `phase` from `file`: what has the same name and shape is taken as it is,
/// linears of other structures are converted. CheckpointInvalid with a table where tensors are
/// missing, left over, or do not fit; errors of LinearWeights.h.
Expected<ConvertedWeights> convertWeights(const SafetensorsFile &file, const fb::Phase &phase);

/// "12 linears converted (dense to low_rank r=16, relative error 0.21 to 0.43)".
std::string describeConversions(const std::vector<LayerConversion> &layers);

} // namespace danaus
