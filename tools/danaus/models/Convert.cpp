// danaus convert: weights of one structure for a model of another.
#include "runtime/base/File.h"
#include "runtime/step/Evaluate.h"
#include "runtime/step/ModelData.h"
#include "runtime/structure/NameMap.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"
#include "tools/danaus/models/ConversionTable.h"
#include "tools/danaus/models/RankOptions.h"

#include <algorithm>

namespace danaus::tool {

namespace {

struct ConvertArguments : ModelArguments {
  std::string weights, out, mostError, mostRise, from, to, energy, specOut;
  bool json = false, force = false, loss = false;
  RankRule ranks;
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
       "danaus train models/mnist_mlp_low_rank.yaml train.init=low_rank.safetensors",
       "danaus convert runs/mnist_mlp models/mnist_mlp_low_rank.yaml --energy 0.9 --spec low.yaml "
       "-o low.safetensors"});
  line.positional(into.weights, "WEIGHTS",
                  "a .safetensors file, a checkpoint's folder or the folder of a run");
  into.declareModel(line);
  line.option(into.out, "-o,--output", "FILE", "the .safetensors file to write (required)");
  line.option(into.from, "--from", "NAMES",
              "whose names WEIGHTS has: timm-vit, timm-mixer, torchvision-vit, or a file of rules "
              "(docs/Convert.md)");
  line.option(into.to, "--to", "NAMES", "whose names FILE gets, as for --from");
  line.option(into.energy, "--energy", "E",
              "instead of MODEL's ranks: the least that keep this share of the squares of a "
              "layer's singular values, 0 to 1");
  line.flag(into.ranks.stable, "--stable-rank",
            "instead of MODEL's ranks: by the stable rank, as Cuttlefish (docs/Convert.md)");
  line.option(into.specOut, "--spec", "FILE",
              "with --energy or --stable-rank: the spec to write, MODEL with these ranks");
  line.option(into.mostError, "--max-error", "E",
              "stop where the relative error of a layer is above E, and write nothing");
  line.option(into.mostRise, "--max-loss-rise", "X",
              "with --loss: stop where the loss rises by more, and write nothing");
  line.flag(
      into.loss, "--loss",
      "the loss of a batch of MODEL's images before, with all layers multiplied out, and after");
  into.declareDevice(line);
  line.flag(into.force, "--force", "overwrite FILE");
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

/// The value of an option; nothing where it is not given.
Expected<std::optional<double>> limitOf(const char *option, const std::string &text) {
  if (text.empty())
    return std::optional<double>();
  char *end = nullptr;
  double most = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end || !(most >= 0))
    return Error(ExitCode::Usage,
                 std::string(option) + " '" + text + "' is not a number of at least 0");
  return std::optional<double>(most);
}

Status checkErrors(const ConvertArguments &arguments, const ConvertedWeights &converted) {
  auto most = limitOf("--max-error", arguments.mostError);
  if (!most)
    return most.takeError();
  if (!*most)
    return Status::ok();
  if (Status status = danaus::checkErrors(converted.layers, **most); !status)
    return status.takeError().during("nothing was written (--max-error)");
  return Status::ok();
}

/// The loss of the first batch of images that are validated (else trained on, not augmented).
Expected<double> lossOf(const ConvertArguments &arguments, const ModelFile &file,
                        const std::vector<std::vector<float>> &values) {
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto executor = Executor::open(file, **device);
  if (!executor)
    return executor.takeError();
  for (size_t i = 0; i < values.size(); ++i)
    std::ranges::copy(values[i], (*executor)->parameter(i).begin());
  auto data = loadModelData(file.model(), Portion::Train);
  if (!data)
    return data.takeError();
  bool validates = file.model().data()->validation() > 0;
  auto source =
      makeBatchSource(file.model(), *data, validates ? SplitName::Validation : SplitName::Train,
                      (*executor)->batch(fb::ProgramKind::EvalStep), ImageUse::Evaluation);
  if (!source)
    return source.takeError();
  auto result = evaluateFirstBatch(**executor, *source);
  if (!result)
    return result.takeError();
  return result->loss;
}

struct Losses {
  double before = 0, after = 0;
};

/// Before: the weights as they came, multiplied out, in the dense twin of the model, which is the
/// same function.
Expected<Losses> lossesOf(const ConvertArguments &arguments, const WeightSource &source,
                          const CompiledModel &model, const ConvertedWeights &converted) {
  auto twin = openDenseTwin(arguments);
  if (!twin)
    return twin.takeError();
  auto dense = convertWeights(source, lastPhase(twin->file.model()));
  if (!dense)
    return dense.takeError();
  auto before = lossOf(arguments, twin->file, dense->values);
  if (!before)
    return before.takeError();
  auto after = lossOf(arguments, model.file, converted.values);
  if (!after)
    return after.takeError();
  return Losses{*before, *after};
}

/// The tables of --from and --to; one that was not asked for renames nothing.
struct Names {
  NameMap from, to;
};

Expected<Names> openNames(const ConvertArguments &arguments) {
  Names names;
  for (auto [given, into] : {std::pair(&arguments.from, &names.from), {&arguments.to, &names.to}}) {
    if (given->empty())
      continue;
    auto opened = NameMap::open(*given);
    if (!opened)
      return opened.takeError();
    *into = std::move(*opened);
  }
  return names;
}

/// Sets the structure in `arguments` to MODEL's, with ranks by the weights.
Status setRanks(ConvertArguments &arguments, const WeightSource &source,
                const CompiledModel &model) {
  if (model.file.model().phases()->size() > 1)
    return Error(ExitCode::Usage,
                 "'" + arguments.model +
                     "' has several phases: ranks by the weights are for a spec with one (convert "
                     "the weights of the dense phase, and go on with the spec that is written)");
  const fb::Phase &phase = lastPhase(model.file.model());
  auto ranks = chooseRanks(lowRankLinears(phase, arguments.ranks), source);
  if (!ranks)
    return ranks.takeError();
  if (ranks->empty())
    return Error(ExitCode::Usage, "'" + arguments.model + "' has no low-rank linear: a rank by " +
                                      "the weights needs `kind: low_rank` in its structure");
  for (const ChosenRank &rank : *ranks)
    if (!rank.pays())
      std::fprintf(stderr, "warning: %s\n", whyDense(rank).c_str());
  arguments.overrides.push_back("structure=" + structureWith(phase, *ranks));
  return Status::ok();
}

Status convert(const ConvertArguments &arguments, const Names &names, const WeightSource &source,
               const CompiledModel &model) {
  const fb::Phase &phase = lastPhase(model.file.model());
  auto converted = convertWeights(source, phase);
  if (!converted)
    return converted.takeError();
  if (!arguments.json)
    std::fputs(conversionTable(converted->layers).c_str(), stdout);
  if (Status status = checkErrors(arguments, *converted); !status)
    return status;
  std::optional<Losses> losses;
  if (arguments.loss) {
    auto found = lossesOf(arguments, source, model, *converted);
    if (!found)
      return found.takeError();
    losses = *found;
    if (!arguments.json)
      std::printf("loss of a batch, before and after   %.4f   %.4f\n", losses->before,
                  losses->after);
    auto most = limitOf("--max-loss-rise", arguments.mostRise);
    if (!most)
      return most.takeError();
    if (*most && !(losses->after - losses->before <= **most))
      return Error(
          ExitCode::CheckpointInvalid,
          format("the loss of a batch rises by %.4g, more than --max-loss-rise %g: nothing "
                 "was written",
                 losses->after - losses->before, **most));
  }
  std::vector<TensorRef> tensors;
  for (size_t i = 0; i < converted->values.size(); ++i) {
    const fb::Parameter &parameter = *phase.parameters()->Get(unsigned(i));
    tensors.push_back({parameter.name()->str(),
                       {parameter.shape()->begin(), parameter.shape()->end()},
                       converted->values[i].data()});
  }
  std::vector<std::vector<float>> joined;
  auto written = names.to.toTheirs(tensors, joined);
  if (!written)
    return written.takeError();
  if (Status status = writeSafetensors(arguments.out, *written, {{"format", "pt"}}); !status)
    return status;
  if (!arguments.specOut.empty())
    if (Status status = writeSpec(arguments, arguments.specOut); !status)
      return status;
  if (arguments.json)
    std::printf("{\"output\": %s, %s\"layers\": %s}\n", jsonString(arguments.out).c_str(),
                losses ? format("\"loss_before\": %.9g, \"loss_after\": %.9g, ", losses->before,
                                losses->after)
                             .c_str()
                       : "",
                conversionsJson(converted->layers).c_str());
  else
    std::printf("%s: %s\n", arguments.out.c_str(), describeConversions(converted->layers).c_str());
  return Status::ok();
}

Status checkArguments(ConvertArguments &arguments) {
  if (arguments.out.empty())
    return Error(ExitCode::Usage, "convert: -o FILE is required: where to write the weights");
  for (const std::string &path : {arguments.out, arguments.specOut})
    if (Status status = checkOutput(path, arguments.force ? Existing::Overwrite : Existing::Keep);
        !status)
      return status;
  if (!arguments.mostRise.empty() && !arguments.loss)
    return Error(ExitCode::Usage, "--max-loss-rise needs --loss");
  if (!arguments.energy.empty()) {
    auto energy = energyOf("--energy", arguments.energy);
    if (!energy)
      return energy.takeError();
    arguments.ranks.energy = *energy;
  }
  const RankRule &ranks = arguments.ranks;
  if (ranks.energy && ranks.stable)
    return Error(ExitCode::Usage, "--energy and --stable-rank both choose the ranks: give one");
  if (ranks.isGiven() && arguments.specOut.empty())
    return Error(ExitCode::Usage, "--energy and --stable-rank need --spec FILE: the spec that "
                                  "fits the weights, with their ranks");
  if (!ranks.isGiven() && !arguments.specOut.empty())
    return Error(ExitCode::Usage,
                 "--spec needs --energy or --stable-rank: without, MODEL is that spec");
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
  if (Status status = checkArguments(arguments); !status)
    return status;
  auto names = openNames(arguments);
  if (!names)
    return names.takeError();
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  if (!arguments.ranks.isGiven())
    if (Status status = checkRanksAreChosen(model->file.model(), "convert"); !status)
      return status;
  auto file = openWeights(arguments.weights);
  if (!file)
    return file.takeError();
  WeightSource source = sourceOf(*file);
  auto renamed = names->from.toOurs(source);
  if (!renamed)
    return renamed.takeError();
  if (arguments.ranks.isGiven()) {
    if (Status status = setRanks(arguments, *renamed, *model); !status)
      return status;
    model = openModel(arguments);
    if (!model)
      return model.takeError();
  }
  return convert(arguments, *names, *renamed, *model);
}

} // namespace danaus::tool
