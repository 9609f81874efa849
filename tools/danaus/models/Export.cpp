// danaus export: a model with its weights for other programs.
#include "runtime/base/File.h"
#include "runtime/device/Checks.h"
#include "tools/danaus/command/OpenModel.h"

namespace danaus::tool {

namespace {
struct ExportArguments : ModelArguments {
  std::string weights, onnx;
  uint64_t batch = 0;
  bool force = false;
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, ExportArguments &into) {
  CommandLine line(
      "export",
      "Writes a model with its weights as an ONNX file (opset 17): from images, prepared\n"
      "as for evaluation, to logits. Structured linears are chains of standard operators;\n"
      "initializers are called as the parameters. Dropout and rounding to 16 bits are left\n"
      "out.",
      {"danaus export runs/mnist_mlp_monarch --onnx mnist.onnx",
       "danaus export models/vit_s16.yaml --weights w.safetensors --onnx vit.onnx --batch 1"});
  line.positional(into.model, "MODEL", "a spec (.yaml) or a run's folder");
  line.rest(into.overrides, "key=value", "values of the spec to set: train.batch_size=8");
  line.option(into.weights, "--weights", "FILE",
              "a .safetensors or .onnx file or a checkpoint's folder [RUN/checkpoints/best]");
  line.option(into.onnx, "--onnx", "FILE", "the .onnx file to write (required)");
  line.option(into.batch, "--batch", "the size of the batch [any, decided by who runs it]");
  line.option(into.phase, "--phase",
              "which of train.phases, from 1 [the last that the weights fit]");
  line.flag(into.force, "--force", "overwrite FILE");
  return line.parse(words);
}

/// The spec that the user named: a run keeps its own.
static Expected<std::string> specOf(const ExportArguments &arguments) {
  if (arguments.model.ends_with(".dnb"))
    return Error(ExitCode::Usage, "'" + arguments.model +
                                      "' is compiled: it no longer knows its layers; give the "
                                      "spec (.yaml) or the run's folder");
  if (!isFolder(arguments.model))
    return arguments.model;
  std::string spec = joinPath(arguments.model, "config.yaml");
  if (!pathExists(spec))
    return Error(ExitCode::Usage, "'" + arguments.model +
                                      "' is a folder, but not of a run: it holds no config.yaml");
  if (!arguments.overrides.empty())
    return Error(ExitCode::Usage, "'" + arguments.model + "' is trained already: " +
                                      arguments.overrides.front() + " needs the spec (.yaml)");
  return spec;
}

static Status exportModel(const ExportArguments &arguments, const std::string &spec) {
  OnnxRequest request{
      spec,           arguments.overrides, "", chosenRanksOf(arguments.model), arguments.phase,
      arguments.batch};
  std::unique_ptr<TemporaryFolder> temporary;
  if (arguments.weights.ends_with(".onnx")) {
    auto folder = TemporaryFolder::create();
    if (!folder)
      return folder.takeError();
    temporary = std::move(*folder);
    request.weights = joinPath(temporary->path, "model.safetensors");
    if (Status status = writeOnnxWeights(arguments.weights, request.weights); !status)
      return status;
  } else {
    auto weights = openWeights(arguments.model, arguments.weights);
    if (!weights)
      return weights.takeError();
    request.weights = weights->path();
  }
  return writeOnnx(request, arguments.onnx);
}

Status runExport(const Arguments &words) {
  ExportArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.onnx.empty())
    return Error(ExitCode::Usage, "export: --onnx FILE is required: where to write the model");
  if (Status status =
          checkOutput(arguments.onnx, arguments.force ? Existing::Overwrite : Existing::Keep);
      !status)
    return status;
  Expected<std::string> spec = specOf(arguments);
  if (!spec)
    return spec.takeError();
  if (Status status = exportModel(arguments, *spec); !status)
    return status;
  std::printf("%s: %s\n", arguments.onnx.c_str(),
              formatBytes(fileSize(arguments.onnx).value()).c_str());
  return Status::ok();
}

} // namespace danaus::tool
