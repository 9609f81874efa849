// The MODEL argument that most verbs take: a spec, a compiled model or the folder of a run.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/safetensors/Safetensors.h"
#include "tools/danaus/command/CommandLine.h"
#include "tools/danaus/command/Compile.h"

namespace danaus::tool {

struct ModelArguments {
  std::string model;
  std::vector<std::string> overrides;
  std::string device = "cpu";
  uint64_t threads = 0;
  uint64_t phase = 0; ///< from 1; 0: not given
  uint64_t ranks = 0; ///< that train it together; 0: it is not trained

  void declareModel(CommandLine &line);
  void declareDevice(CommandLine &line);
  void declarePhase(CommandLine &line);
  /// The index of the phase that the user named, or of the last; Usage where there is none such.
  Expected<size_t> phaseOf(const fb::Model &model) const;
};

/// The structure that a model ends up with.
inline const fb::Phase &lastPhase(const fb::Model &model) {
  return *model.phases()->Get(model.phases()->size() - 1);
}

/// Opens (compiling where needed) what the user named. Overrides on anything but a spec are Usage.
Expected<CompiledModel> openModel(const ModelArguments &arguments);

/// ranks.json of a run's folder; empty where it has none, or `model` is no folder.
std::string chosenRanksOf(const std::string &model);

/// Whether all ranks of the model are numbers; Usage where weights are still to choose some, for
/// `verb`, which needs them.
Status checkRanksAreChosen(const fb::Model &model, const std::string &verb);

/// The same spec with all linears dense, in one phase. Usage where the model is compiled already.
Expected<CompiledModel> openDenseTwin(const ModelArguments &arguments);

/// The weights that the user named: a .safetensors file (checked by its header), an .onnx file
/// (read by the compiler) or a checkpoint's folder (verified with its checksums); without a name
/// the best ones of the run `model`.
Expected<SafetensorsFile> openWeights(const std::string &model, const std::string &weights);

/// The same where nothing but the weights was named: also the folder of a run, whose best ones are
/// meant.
Expected<SafetensorsFile> openWeights(const std::string &path);

/// Writes the spec that the user named, with the overrides and every default written out.
Status writeSpec(const ModelArguments &arguments, const std::string &path);

/// Creates the device that the user named.
Expected<std::unique_ptr<Device>> openDevice(const ModelArguments &arguments);

/// "f32", "bf16", "fp16"; "bf16 (emulated)" where the code of this plan only rounds to it.
std::string describeDtype(const fb::Model &model, const fb::TargetPlan &plan);

} // namespace danaus::tool
