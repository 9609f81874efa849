// Parameters and optimizer state of an executor as named tensors, for checkpoints and weight files.
// Names are the contract with other frameworks: parameters as in the model table, state as
// "<parameter>.exp_avg", "<parameter>.exp_avg_sq" (adam, adamw) or "<parameter>.momentum_buffer".
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/train/Safetensors.h"

namespace danaus {

/// Views of the arena: valid as long as the executor.
std::vector<TensorRef> parameterTensors(Executor &executor);
std::vector<TensorRef> stateTensors(Executor &executor);

/// Overwrites all parameters (all state) from a file that must hold exactly these tensors; else
/// CheckpointInvalid with a table of the differences, and nothing is overwritten.
Status readParameters(Executor &executor, const SafetensorsFile &file);
Status readState(Executor &executor, const SafetensorsFile &file);

/// The name of the first parameter that holds a NaN or Inf; nothing when all are finite.
std::optional<std::string> findNonFinite(Executor &executor);

} // namespace danaus
