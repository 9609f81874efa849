// danaus eval: loss and accuracy of given weights on one split.
#include "runtime/run/Weights.h"
#include "runtime/step/Evaluate.h"
#include "runtime/step/ModelData.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"

namespace danaus::tool {

namespace {
struct EvalArguments : ModelArguments {
  std::string weights, split = "test";
  bool json = false;
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, EvalArguments &into) {
  CommandLine line("eval",
                   "Loss and accuracy of a model's weights. The weights of a run are those that\n"
                   "were best on its validation images.",
                   {"danaus eval runs/mnist_mlp", "danaus eval runs/mnist_mlp --split validation",
                    "danaus eval mlp.dnb --weights model.safetensors --json"});
  into.declareModel(line);
  line.option(into.weights, "--weights", "FILE",
              "a .safetensors file or a checkpoint's folder [RUN/checkpoints/best]");
  line.choice(into.split, "--split", {"test", "validation", "train"}, "which images [test]");
  into.declareDevice(line);
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

static Expected<Evaluation> evaluateSplit(const EvalArguments &arguments, Executor &executor) {
  SplitName split = arguments.split == "test"    ? SplitName::Test
                    : arguments.split == "train" ? SplitName::Train
                                                 : SplitName::Validation;
  if (split == SplitName::Validation && !executor.model().data()->validation())
    return Error(ExitCode::Usage, "this model has no validation images (data.validation is 0): "
                                  "evaluate --split test or train");
  Expected<Dataset> data =
      loadModelData(executor.model(), split == SplitName::Test ? Portion::Test : Portion::Train);
  if (!data)
    return data.takeError();
  uint64_t batch = executor.batch(fb::ProgramKind::EvalStep);
  if (!batch)
    return Error(ExitCode::CheckpointInvalid, "the model binary lacks an evaluation step: compile "
                                              "it again");
  Expected<BatchSource> source =
      makeBatchSource(executor.model(), *data, split, batch, ImageUse::Evaluation);
  if (!source)
    return source.takeError();
  return evaluate(executor, *source);
}

static void print(const EvalArguments &arguments, const fb::Model &model,
                  const Evaluation &result) {
  if (arguments.json)
    std::printf("{\"model\": %s, \"split\": \"%s\", \"images\": %llu, \"accuracy\": %.9g, "
                "\"loss\": %.9g}\n",
                jsonString(model.name()->str()).c_str(), arguments.split.c_str(),
                (unsigned long long)result.images, result.accuracy(), result.loss);
  else
    std::printf("%s accuracy %.4f   loss %.4f   %s images\n", arguments.split.c_str(),
                result.accuracy(), result.loss, thousands(result.images).c_str());
}

Status runEval(const Arguments &words) {
  EvalArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  Expected<SafetensorsFile> weights = openWeights(arguments.model, arguments.weights);
  if (!weights)
    return weights.takeError();
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto executor =
      Executor::open(model->file, **device, fittingPhase(model->file.model(), *weights));
  if (!executor)
    return executor.takeError();
  if (Status status = readParameters(**executor, *weights); !status)
    return status;
  Expected<Evaluation> result = evaluateSplit(arguments, **executor);
  if (!result)
    return result.takeError();
  print(arguments, model->file.model(), *result);
  return Status::ok();
}

} // namespace danaus::tool
