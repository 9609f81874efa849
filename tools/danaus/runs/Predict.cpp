// danaus predict: what a trained model says of image files.
#include "runtime/step/Predict.h"
#include "runtime/run/Weights.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"

namespace danaus::tool {

namespace {
struct PredictArguments : ModelArguments {
  std::vector<std::string> images;
  std::string weights;
  uint64_t top = 5;
  bool json = false;
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, PredictArguments &into) {
  CommandLine line(
      "predict",
      "The most probable classes of JPEG or PNG images, by the weights of a run that\n"
      "were best on its validation images. An image is prepared as those the model is\n"
      "evaluated on; for a model of grey images a colour image is turned grey.",
      {"danaus predict runs/vit cat.jpg dog.png", "danaus predict runs/vit *.jpg --top 1 --json",
       "danaus predict vit.dnb cat.jpg --weights model.safetensors"});
  line.positional(into.model, "RUN", "a run's folder, or a compiled model with --weights");
  line.rest(into.images, "IMAGE", "files, .jpg or .png");
  line.option(into.top, "--top", "how many classes of each image [5]");
  line.option(into.weights, "--weights", "FILE",
              "a .safetensors file or a checkpoint's folder [RUN/checkpoints/best]");
  into.declareDevice(line);
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

/// The name of a class, or its number where it has none.
static std::string nameOf(const std::vector<std::string> &names, size_t label) {
  return label < names.size() ? names[label] : std::to_string(label);
}

static void printText(const PredictArguments &arguments, const std::vector<std::string> &names,
                      const std::vector<std::vector<double>> &results) {
  for (size_t image = 0; image < results.size(); ++image) {
    std::printf("%s%s\n", image ? "\n" : "", arguments.images[image].c_str());
    Table table({Table::Left, Table::Right});
    for (size_t label : largest(results[image], arguments.top))
      table.row({"  " + nameOf(names, label), format("%.4f", results[image][label])});
    std::fputs(table.text().c_str(), stdout);
  }
}

static void printJson(const PredictArguments &arguments, const std::vector<std::string> &names,
                      const std::vector<std::vector<double>> &results) {
  std::printf("{\"images\": [");
  for (size_t image = 0; image < results.size(); ++image) {
    std::printf("%s\n  {\"image\": %s, \"classes\": [", image ? "," : "",
                jsonString(arguments.images[image]).c_str());
    const char *separator = "";
    for (size_t label : largest(results[image], arguments.top)) {
      std::printf("%s{\"class\": %zu, \"name\": %s, \"probability\": %.9g}", separator, label,
                  jsonString(nameOf(names, label)).c_str(), results[image][label]);
      separator = ", ";
    }
    std::printf("]}");
  }
  std::puts("]}");
}

static Expected<std::vector<std::vector<double>>> predict(const PredictArguments &arguments,
                                                          const CompiledModel &model) {
  Expected<SafetensorsFile> weights = openWeights(arguments.model, arguments.weights);
  if (!weights)
    return weights.takeError();
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto executor = Executor::open(model.file, **device, fittingPhase(model.file.model(), *weights));
  if (!executor)
    return executor.takeError();
  if (Status status = readParameters(**executor, *weights); !status)
    return status.takeError();
  return danaus::predict(**executor, arguments.images);
}

Status runPredict(const Arguments &words) {
  PredictArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.images.empty())
    return Error(ExitCode::Usage, "give the images: danaus predict RUN IMAGE...");
  if (arguments.top == 0)
    return Error(ExitCode::Usage, "--top 0 leaves nothing to print: give 1 or more");
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  auto results = predict(arguments, *model);
  if (!results)
    return results.takeError();
  std::vector<std::string> names = classNamesOf(model->file.model());
  arguments.json ? printJson(arguments, names, *results) : printText(arguments, names, *results);
  return Status::ok();
}

} // namespace danaus::tool
