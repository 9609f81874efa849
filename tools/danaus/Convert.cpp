// danaus convert: weights of one structure for a model of another.
#include "runtime/base/File.h"
#include "runtime/structure/NameMap.h"
#include "tools/danaus/ConversionTable.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/Text.h"

namespace danaus::tool {

namespace {

struct ConvertArguments : ModelArguments {
  std::string weights, out, mostError, from, to;
  bool json = false, force = false;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, ConvertArguments &into) {
  CommandLine line(
      "convert",
      "Turns weights into those of another structure: a dense layer becomes low-rank by its\n"
      "largest singular values, or Monarch by those of its blocks, and either becomes dense by\n"
      "multiplying out. Which structure each layer gets is what MODEL says. Prints a row for each\n"
      "layer that changes: parameters of its weight before and after, and the relative error of\n"
      "the weight in Frobenius norm.",
      {"danaus convert runs/mnist_mlp models/mnist_mlp_low_rank.yaml -o low_rank.safetensors",
       "danaus convert dense.safetensors models/mnist_mlp_monarch.yaml -o monarch.safetensors",
       "danaus convert timm.safetensors models/vit_b16_monarch.yaml --from timm-vit -o "
       "w.safetensors",
       "danaus train models/mnist_mlp_low_rank.yaml train.init=low_rank.safetensors"});
  line.positional(into.weights, "WEIGHTS",
                  "a .safetensors file, a checkpoint's folder or the folder of a run");
  into.declareModel(line);
  line.option(into.out, "-o,--output", "FILE", "the .safetensors file to write (required)");
  line.option(into.from, "--from", "NAMES",
              "whose names WEIGHTS has: timm-vit, timm-mixer, torchvision-vit, or a file of rules "
              "(docs/Convert.md)");
  line.option(into.to, "--to", "NAMES", "whose names FILE gets, as for --from");
  line.option(into.mostError, "--max-error", "E",
              "stop where the relative error of a layer is above E, and write nothing");
  line.flag(into.force, "--force", "overwrite FILE");
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

Status checkErrors(const ConvertArguments &arguments, const ConvertedWeights &converted) {
  if (arguments.mostError.empty())
    return Status::ok();
  char *end = nullptr;
  double most = std::strtod(arguments.mostError.c_str(), &end);
  if (end == arguments.mostError.c_str() || *end || !(most >= 0))
    return Error(ExitCode::Usage,
                 "--max-error '" + arguments.mostError + "' is not a number of at least 0");
  if (Status status = danaus::checkErrors(converted.layers, most); !status)
    return status.takeError().during("nothing was written (--max-error)");
  return Status::ok();
}

Status convert(const ConvertArguments &arguments, const CompiledModel &model) {
  bool isRun = isFolder(arguments.weights);
  auto file = isRun ? openWeights(arguments.weights, "") : openWeights("", arguments.weights);
  if (!file)
    return file.takeError();
  const fb::Phase &phase = lastPhase(model.file.model());
  WeightSource source = sourceOf(*file);
  Expected<WeightSource> renamed = source;
  if (!arguments.from.empty()) {
    auto names = NameMap::open(arguments.from);
    if (!names)
      return names.takeError();
    renamed = names->toOurs(source);
    if (!renamed)
      return renamed.takeError();
  }
  auto converted = convertWeights(*renamed, phase);
  if (!converted)
    return converted.takeError();
  if (!arguments.json)
    std::fputs(conversionTable(converted->layers).c_str(), stdout);
  if (Status status = checkErrors(arguments, *converted); !status)
    return status;
  std::vector<TensorRef> tensors;
  for (size_t i = 0; i < converted->values.size(); ++i) {
    const fb::Parameter &parameter = *phase.parameters()->Get(unsigned(i));
    tensors.push_back({parameter.name()->str(),
                       {parameter.shape()->begin(), parameter.shape()->end()},
                       converted->values[i].data()});
  }
  std::vector<std::vector<float>> joined;
  if (!arguments.to.empty()) {
    auto names = NameMap::open(arguments.to);
    if (!names)
      return names.takeError();
    auto theirs = names->toTheirs(tensors, joined);
    if (!theirs)
      return theirs.takeError();
    tensors = std::move(*theirs);
  }
  if (Status status = writeSafetensors(arguments.out, tensors, {{"format", "pt"}}); !status)
    return status;
  if (arguments.json)
    std::printf("{\"output\": %s, \"layers\": %s}\n", jsonString(arguments.out).c_str(),
                conversionsJson(converted->layers).c_str());
  else
    std::printf("%s: %s\n", arguments.out.c_str(), describeConversions(converted->layers).c_str());
  return Status::ok();
}

} // namespace

Status runConvert(const Arguments &words) {
  ConvertArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.out.empty())
    return Error(ExitCode::Usage, "convert: -o FILE is required: where to write the weights");
  if (pathExists(arguments.out) && !arguments.force)
    return Error(ExitCode::Usage,
                 "'" + arguments.out + "' exists: name another file, or --force overwrites it");
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  return convert(arguments, *model);
}

} // namespace danaus::tool
