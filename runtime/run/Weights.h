// Parameters and optimizer state of an executor as named tensors, for checkpoints and weight files.
// Names are the contract with other frameworks: parameters as in the model table, state as
// "<parameter>.exp_avg", "<parameter>.exp_avg_sq" (adam, adamw) or "<parameter>.momentum_buffer",
// and with train.ema "<parameter>.ema", the moving average of the parameter.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/safetensors/Safetensors.h"

namespace danaus {

/// Views of the arena: valid as long as the executor. States that are sharded over ranks are
/// fetched from all of them when rank 0 writes them, and the others call giveTensors.
std::vector<TensorRef> parameterTensors(Executor &executor);
std::vector<TensorRef> stateTensors(Executor &executor);

/// The parameters that a model is judged by, under their own names: the moving averages, or where
/// there are none the parameters themselves.
std::vector<TensorRef> judgedTensors(Executor &executor);

/// What ranks other than 0 do while rank 0 writes the same tensors: each gives its shares.
Status giveTensors(std::span<const TensorRef> tensors);

/// The last phase of the model whose parameters the file has, by name and shape; the last of all
/// where none fits.
size_t fittingPhase(const fb::Model &model, const SafetensorsFile &file);

/// Behind the names of parameters: ".exp_avg", of each state in order.
std::vector<std::string> stateSuffixes(const fb::Model &model);

/// The moving averages begin as the parameters.
void startAverages(Executor &executor);

/// The parameters become the moving averages, and these the parameters, until the next call;
/// nothing happens where there are none. No update may run meanwhile. All ranks call it.
Status exchangeAverages(Executor &executor);

/// Overwrites all parameters from a file that must hold exactly these tensors; else
/// CheckpointInvalid with a table of the differences, and nothing is overwritten.
Status readParameters(Executor &executor, const SafetensorsFile &file);
/// Whether a file holds exactly the optimizer's state; else the same error.
Status checkState(Executor &executor, const SafetensorsFile &file);
/// One state of one parameter, whole.
Status readState(Executor &executor, const SafetensorsFile &file, size_t index, size_t slot,
                 std::span<float> into);

/// The name of the first parameter that holds a NaN or Inf; nothing when all are finite.
std::optional<std::string> findNonFinite(Executor &executor);

} // namespace danaus
