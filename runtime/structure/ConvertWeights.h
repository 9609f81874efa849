// Weights of one structure for a model of another: a file of tensors (safetensors) becomes the
// parameters of a compiled model. Linears are recognised by the names of their tensors:
// NAME.weight, NAME.down.weight and NAME.up.weight, NAME.blkdiag1 and NAME.blkdiag2, NAME.blkdiag.
#pragma once

#include "runtime/plan/model_generated.h"
#include "runtime/safetensors/Safetensors.h"
#include "runtime/structure/ConvertMoments.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace danaus {

/// Tensors by name, wherever they are.
struct WeightSource {
  std::string origin; ///< what error messages call it
  std::vector<TensorInfo> tensors;
  std::function<Status(const std::string &name, float *values, size_t count)> read;
};
/// What is given must outlive the source.
WeightSource sourceOf(const SafetensorsFile &file);
WeightSource sourceOf(std::string origin, std::span<const TensorRef> tensors);

/// What became of a linear whose structure changed.
struct LayerConversion {
  std::string name;
  LinearWeights before, after;
  double relativeError = 0; ///< in Frobenius norm, of the weight multiplied out
  /// The share of the squares of the weight that is kept: every conversion is a projection.
  double energyKept() const { return 1 - relativeError * relativeError; }
};

struct ConvertedWeights {
  std::vector<std::vector<float>> values; ///< in the order of the phase's parameters
  std::vector<LayerConversion> layers;    ///< those that changed, in that order
};

/// All parameters of `phase` from `source`: what has the same name and shape is taken as it is,
/// linears of other structures are converted. CheckpointInvalid with a table where tensors are
/// missing, left over, or do not fit; errors of LinearWeights.h.
Expected<ConvertedWeights> convertWeights(const WeightSource &source, const fb::Phase &phase);

/// The weight of the linear `name`, out x in, multiplied out, whatever structure the source has it
/// in. CheckpointInvalid where it has none of that size.
Expected<Matrix> readDense(const WeightSource &source, const std::string &name, uint64_t out,
                           uint64_t in);

/// One state of the optimizer for weights that were converted: the tensors NAME + `suffix` of
/// `state`, in the order of the phase's parameters. That of converted linears goes the way of
/// ConvertMoments.h; 0 where `state` has none.
Expected<std::vector<std::vector<float>>> convertState(const WeightSource &state,
                                                       const std::string &suffix, Moment moment,
                                                       const ConvertedWeights &weights,
                                                       const fb::Phase &phase);

/// Whether the parameter is (part of) the weight of one of the layers.
bool isConverted(const std::vector<LayerConversion> &layers, const std::string &parameter);

/// CheckpointInvalid for the first layer whose relative error is above `most`.
Status checkErrors(const std::vector<LayerConversion> &layers, double most);

/// The conversions as a JSON list of {"name", "from", "to", "in", "out", "params_before",
/// "params_after", "relative_error"}.
std::string conversionsJson(const std::vector<LayerConversion> &layers);

/// "12 linears converted (dense to low_rank r=16, relative error 0.21 to 0.43)".
std::string describeConversions(const std::vector<LayerConversion> &layers);

} // namespace danaus
