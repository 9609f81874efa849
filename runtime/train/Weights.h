// Parameters and optimizer state of an executor as named tensors, for checkpoints and weight files.
// Names are the contract with other frameworks: parameters as in the model table, state as
// "<parameter>.exp_avg", "<parameter>.exp_avg_sq" (adam, adamw) or "<parameter>.momentum_buffer",
// and with train.ema "<parameter>.ema", the moving average of the parameter.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/safetensors/Safetensors.h"

namespace danaus {

/// Views of the arena: valid as long as the executor.
std::vector<TensorRef> parameterTensors(Executor &executor);
std::vector<TensorRef> stateTensors(Executor &executor);

/// The parameters that a model is judged by, under their own names: the moving averages, or where
/// there are none the parameters themselves.
std::vector<TensorRef> judgedTensors(Executor &executor);

/// The last phase of the model whose parameters the file has, by name and shape; the last of all
/// where none fits.
size_t fittingPhase(const fb::Model &model, const SafetensorsFile &file);

/// Behind the names of parameters: ".exp_avg", of each state in order.
std::vector<std::string> stateSuffixes(const fb::Model &model);

/// The moving averages begin as the parameters.
void startAverages(Executor &executor);

/// While it lives, the parameters of the executor are the moving averages, and the averages hold
/// the parameters; nothing happens where there are none. No update may run meanwhile.
class AveragesInPlace {
public:
  explicit AveragesInPlace(Executor &executor) : executor(executor) { exchange(); }
  ~AveragesInPlace() { exchange(); }
  AveragesInPlace(const AveragesInPlace &) = delete;
  AveragesInPlace &operator=(const AveragesInPlace &) = delete;

private:
  void exchange();
  Executor &executor;
};

/// Overwrites all parameters (all state) from a file that must hold exactly these tensors; else
/// CheckpointInvalid with a table of the differences, and nothing is overwritten.
Status readParameters(Executor &executor, const SafetensorsFile &file);
Status readState(Executor &executor, const SafetensorsFile &file);

/// The name of the first parameter that holds a NaN or Inf; nothing when all are finite.
std::optional<std::string> findNonFinite(Executor &executor);

} // namespace danaus
