// See OpenModel.h.
#include "tools/danaus/command/OpenModel.h"

#include "runtime/base/File.h"
#include "runtime/run/Checkpoint.h"
#include "runtime/run/RunRecord.h"
#include "tools/danaus/command/Process.h"
#include "tools/danaus/command/Verb.h"

#include <algorithm>
#include <cstdlib>

namespace danaus::tool {

void ModelArguments::declareModel(CommandLine &line) {
  line.positional(model, "MODEL", "a spec (.yaml), a compiled model (.dnb) or a run's folder");
  line.rest(overrides, "key=value", "values of the spec to set: train.epochs=3 optimizer.lr=5e-4");
}

void ModelArguments::declareDevice(CommandLine &line) {
  line.option(device, "--device", "NAME", "where to run; `danaus devices` lists them [cpu]");
  line.option(threads, "--threads", "threads of the cpu device [all cores of this process]");
}

void ModelArguments::declarePhase(CommandLine &line) {
  line.option(phase, "--phase", "which of train.phases, from 1 [the last]");
}

Expected<size_t> ModelArguments::phaseOf(const fb::Model &model) const {
  size_t count = model.phases()->size();
  if (phase <= count)
    return phase ? phase - 1 : count - 1;
  return Error(ExitCode::Usage,
               format("--phase %llu: %s has %zu phase%s", (unsigned long long)phase,
                      model.name()->c_str(), count, count == 1 ? "" : "s"));
}

static Status checkOverrides(const ModelArguments &arguments) {
  for (const std::string &entry : arguments.overrides)
    if (size_t equals = entry.find('='); equals == std::string::npos || equals == 0)
      return Error(ExitCode::Usage,
                   "'" + entry + "' is not key=value, as in train.epochs=3 (one MODEL at a time)");
  return Status::ok();
}

/// What a spec is compiled for: this machine's CPU, or the very GPU that it will run on.
static Expected<std::string> targetOf(const ModelArguments &arguments) {
  if (arguments.device == "cpu")
    return std::string("cpu");
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  std::string target((*device)->target());
  return target == "cpu" ? target : target + ":" + (*device)->isas().front();
}

std::string chosenRanksOf(const std::string &model) {
  std::string path = joinPath(model, rankFileName);
  return isFolder(model) && pathExists(path) ? path : "";
}

Expected<CompiledModel> openModel(const ModelArguments &arguments) {
  if (Status status = checkOverrides(arguments); !status)
    return status.takeError();
  bool isRun = isFolder(arguments.model);
  if (!isRun && !arguments.model.ends_with(".dnb")) {
    Expected<std::string> target = targetOf(arguments);
    if (!target)
      return target.takeError();
    return compileModel(
        {arguments.model, arguments.overrides, *target, std::max<uint64_t>(arguments.ranks, 1)});
  }

  if (!arguments.overrides.empty())
    return Error(ExitCode::Usage, "'" + arguments.model + "' is compiled already: " +
                                      arguments.overrides.front() + " needs the spec (.yaml)");
  std::string path = isRun ? joinPath(arguments.model, runModelFile) : arguments.model;
  if (isRun && !pathExists(path))
    return Error(ExitCode::Usage, "'" + arguments.model + "' is a folder, but not of a run: it " +
                                      "holds no " + runModelFile);
  Expected<ModelFile> file = ModelFile::open(path);
  if (!file)
    return file.takeError();
  // A run that goes on with another number of ranks has its spec.
  if (isRun && arguments.ranks && file->model().training()->ranks() != arguments.ranks) {
    Expected<std::string> target = targetOf(arguments);
    if (!target)
      return target.takeError();
    return compileModel({joinPath(arguments.model, "config.yaml"),
                         {},
                         *target,
                         arguments.ranks,
                         chosenRanksOf(arguments.model)});
  }
  return CompiledModel{std::move(*file), 0, nullptr};
}

Status checkRanksAreChosen(const fb::Model &model, const std::string &verb) {
  const auto *rules = lastPhase(model).rank_rules();
  if (!rules || !rules->size())
    return Status::ok();
  return Error(ExitCode::Usage,
               format("%s: the rank of %s is chosen by the weights of a run: give the folder of a "
                      "run that has chosen it, or a spec with a number",
                      verb.c_str(), rules->Get(0)->layer()->c_str()));
}

Expected<CompiledModel> openDenseTwin(const ModelArguments &arguments) {
  if (isFolder(arguments.model) || arguments.model.ends_with(".dnb"))
    return Error(ExitCode::Usage, "'" + arguments.model +
                                      "' is compiled already: its dense twin "
                                      "needs the spec (.yaml)");
  auto model = openModel(arguments);
  if (!model)
    return model.takeError();
  ModelArguments twin = arguments;
  twin.overrides.push_back("structure=[]");
  const fb::Model &table = model->file.model();
  if (table.phases()->size() > 1)
    twin.overrides.push_back(format("train.phases=[{epochs: %llu, structure: dense}]",
                                    (unsigned long long)table.training()->epochs()));
  return openModel(twin);
}

Status writeSpec(const ModelArguments &arguments, const std::string &path) {
  std::vector<std::string> words = {programBeside("danausc"), arguments.model};
  words.insert(words.end(), arguments.overrides.begin(), arguments.overrides.end());
  words.insert(words.end(), {"--print-config", "-o", path});
  auto code = runProcess(words, ChildOutput::Inherited);
  if (!code)
    return code.takeError();
  return *code ? Status(alreadyReported(ExitCode(*code))) : Status::ok();
}

Expected<std::unique_ptr<Device>> openDevice(const ModelArguments &arguments) {
  // The device says how many it can have.
  unsigned threads = unsigned(std::min<uint64_t>(arguments.threads, UINT32_MAX));
  return builtinDevices().create(arguments.device, {.threads = threads});
}

Expected<SafetensorsFile> openWeights(const std::string &model, const std::string &weights) {
  std::string path = weights;
  if (path.empty() && isFolder(model)) {
    CheckpointStore store(joinPath(model, "checkpoints"));
    Expected<LoadedCheckpoint> best = store.load("best");
    if (!best)
      return best.takeError();
    return std::move(best->model);
  }
  if (path.empty())
    return Error(ExitCode::Usage, "a compiled model holds no weights: give --weights FILE, or the "
                                  "folder of a run instead of '" +
                                      model + "'");
  if (path.ends_with(".onnx"))
    return openOnnxWeights(path);
  if (!isFolder(path))
    return SafetensorsFile::open(path);
  Expected<LoadedCheckpoint> checkpoint = loadCheckpointFolder(path);
  if (!checkpoint)
    return checkpoint.takeError();
  return std::move(checkpoint->model);
}

Expected<SafetensorsFile> openWeights(const std::string &path) {
  bool isRun = isFolder(joinPath(path, "checkpoints"));
  return isRun ? openWeights(path, "") : openWeights("", path);
}

std::string describeDtype(const fb::Model &model, const fb::TargetPlan &plan) {
  fb::DType dtype = model.training()->dtype();
  if (dtype == fb::DType::F32)
    return "f32";
  // GPUs multiply float16 from sm_75 on, bfloat16 from sm_80 on; CPUs with a matrix unit the
  // latter.
  bool isBf16 = dtype == fb::DType::BF16;
  std::string isa = plan.isa()->str();
  bool isFast = plan.target()->str() == "cuda" ? std::atoi(isa.c_str() + 3) >= (isBf16 ? 80 : 75)
                                               : isBf16 && isa == "amx";
  return std::string(isBf16 ? "bf16" : "fp16") + (isFast ? "" : " (emulated)");
}

} // namespace danaus::tool
