// danaus advise: which linears of a model could be low-rank or Monarch, at which rank, and what it
// brings.
#include "runtime/base/File.h"
#include "runtime/profile/LayerPrediction.h"
#include "runtime/structure/ChooseRanks.h"
#include "runtime/structure/Spectrum.h"
#include "tools/danaus/command/Text.h"
#include "tools/danaus/models/LayerTimes.h"
#include "tools/danaus/models/RankOptions.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace danaus::tool {

namespace {

struct AdviseArguments : ModelArguments {
  std::string weights, energyText = "0.9", out;
  uint64_t blocks = 4;
  bool measure = false, json = false;
  double energy = 0.9;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, AdviseArguments &into) {
  CommandLine line(
      "advise",
      "Proposes a structure for every linear of SPEC. With weights the rank is the least that\n"
      "keeps a share of the energy (squares of the singular values), and Monarch is proposed\n"
      "where its blocks keep as much; without, ranks are a quarter of the smaller side. What\n"
      "has not a quarter fewer multiplications than a dense layer stays dense; with --measure,\n"
      "what is not faster on this machine.",
      {"danaus advise models/mnist_mlp.yaml --weights runs/mnist_mlp",
       "danaus advise models/vit_s16.yaml train.batch_size=8 --measure -o vit_advised.yaml"});
  into.declareModel(line);
  line.option(into.weights, "--weights", "FILE",
              "weights of any structure: a .safetensors file, a checkpoint's or a run's folder");
  line.option(into.energyText, "--energy", "E", "share of the energy to keep, 0 to 1 [0.9]");
  line.option(into.blocks, "--nblocks", "blocks of Monarch [4]");
  line.flag(into.measure, "--measure", "time dense, low-rank and Monarch for every size of layer");
  line.option(into.out, "-o,--output", "FILE", "write SPEC with the proposed structure");
  into.declareDevice(line);
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

/// A layer, what is known of it and what is proposed.
struct Advice {
  std::string name;
  uint64_t in = 0, out = 0, rows = 0; ///< rows a sample
  uint64_t rank = 0;                  ///< of the low-rank candidate
  std::optional<double> energyKept, stableRank, monarchError;
  std::optional<double> denseTime, lowRankTime, monarchTime; ///< ms of a step, measured
  double densePredicted = 0, lowRankPredicted = 0, monarchPredicted = 0;
  std::string proposal = "dense"; ///< "kind: low_rank, rank: 16" ...
  std::string why;

  uint64_t least() const { return std::min(in, out); }
  double dense() const { return double(in) * double(out); }
  double lowRank() const { return double(rank) * double(in + out); }
  double monarch(uint64_t blocks) const {
    MonarchSizes sizes(in, out, blocks);
    return double(blocks * sizes.q) * double(sizes.p + sizes.s);
  }
};

constexpr uint64_t smallestSide = 32;
/// What pays has at most so many of a dense layer's multiplications, and of its time.
constexpr double mostWork = 0.75, mostTime = 0.95;

Status judgeWeights(const AdviseArguments &arguments, const Matrix &dense, Advice &advice) {
  auto spectrum = spectrumOf(dense);
  if (!spectrum)
    return spectrum.takeError();
  advice.rank = roundedRank(spectrum->rankFor(arguments.energy), advice.least());
  advice.energyKept = spectrum->energyOf(advice.rank);
  advice.stableRank = spectrum->stableRank();
  if (arguments.blocks <= advice.least()) {
    auto monarch = toMonarch(dense, arguments.blocks);
    if (!monarch)
      return monarch.takeError();
    advice.monarchError = relativeError(dense, toDense(*monarch));
  }
  return Status::ok();
}

Status measure(const AdviseArguments &arguments, const fb::Model &model,
               std::vector<Advice> &layers) {
  std::map<std::string, double> known;
  auto timeOf = [&](const Advice &layer, const std::string &structure) -> Expected<double> {
    std::string key = format("%llu %llu %llu ", (unsigned long long)layer.rows,
                             (unsigned long long)layer.in, (unsigned long long)layer.out) +
                      structure;
    if (auto found = known.find(key); found != known.end())
      return found->second;
    std::fprintf(stderr, "measuring %llu -> %llu, %s\n", (unsigned long long)layer.in,
                 (unsigned long long)layer.out, structure.c_str());
    uint64_t batch = model.training()->batch_size() / model.training()->accumulate();
    auto time = measureLayer({layer.rows, layer.in, layer.out, batch, structure}, arguments);
    if (time)
      known[key] = *time;
    return time;
  };
  for (Advice &layer : layers) {
    if (layer.least() < smallestSide)
      continue;
    auto into = [&](std::optional<double> &time, const std::string &structure) {
      auto measured = timeOf(layer, structure);
      if (!measured)
        return Status(measured.takeError());
      time = *measured;
      return Status::ok();
    };
    if (Status status = into(layer.denseTime, "kind: dense"); !status)
      return status;
    if (Status status = into(layer.lowRankTime,
                             format("kind: low_rank, rank: %llu", (unsigned long long)layer.rank));
        !status)
      return status;
    if (arguments.blocks <= layer.least())
      if (Status status = into(layer.monarchTime, format("kind: monarch, nblocks: %llu",
                                                         (unsigned long long)arguments.blocks));
          !status)
        return status;
  }
  return Status::ok();
}

void predict(const AdviseArguments &arguments, const Roofline &roofline, uint64_t batch,
             Advice &layer) {
  auto milliseconds = [&](double weights) {
    return predictedMilliseconds(
        {double(layer.rows) * double(batch), double(layer.in), double(layer.out), weights},
        roofline);
  };
  layer.densePredicted = milliseconds(layer.dense());
  layer.lowRankPredicted = milliseconds(layer.lowRank());
  layer.monarchPredicted = milliseconds(layer.monarch(arguments.blocks));
}

/// Low-rank or Monarch, whichever costs less of those that keep the energy and pay.
void propose(const AdviseArguments &arguments, Advice &layer) {
  if (layer.least() < smallestSide) {
    layer.why = format("a side has fewer than %llu features", (unsigned long long)smallestSide);
    return;
  }
  struct Candidate {
    std::string structure;
    double work;
    std::optional<double> time;
    bool keepsEnergy;
  };
  std::vector<Candidate> candidates{
      {format("kind: low_rank, rank: %llu", (unsigned long long)layer.rank),
       layer.lowRank() / layer.dense(), layer.lowRankTime, true}};
  if (arguments.blocks > 1 && arguments.blocks <= layer.least())
    candidates.push_back(
        {format("kind: monarch, nblocks: %llu", (unsigned long long)arguments.blocks),
         layer.monarch(arguments.blocks) / layer.dense(), layer.monarchTime,
         !layer.monarchError || *layer.monarchError * *layer.monarchError <= 1 - arguments.energy});
  const Candidate *best = nullptr;
  auto cost = [&](const Candidate &c) { return c.time.value_or(c.work); };
  for (const Candidate &candidate : candidates) {
    bool pays = candidate.work <= mostWork &&
                (!candidate.time || *candidate.time <= mostTime * *layer.denseTime);
    if (candidate.keepsEnergy && pays && (!best || cost(candidate) < cost(*best)))
      best = &candidate;
  }
  if (best)
    layer.proposal = best->structure;
  else
    layer.why = "no structure that keeps the energy costs less";
}

std::string optionalText(const char *pattern, const std::optional<double> &value) {
  char text[64] = "-";
  if (value)
    std::snprintf(text, sizeof(text), pattern, *value);
  return text;
}

/// Measured, or else predicted, which the tilde says.
std::string timeText(const std::optional<double> &measured, double predicted) {
  return measured ? format("%.3f", *measured) : format("~%.3f", predicted);
}

void printTable(const AdviseArguments &arguments, const std::vector<Advice> &layers) {
  using enum Table::Align;
  Table table({Left, Right, Right, Right, Right, Right, Right, Right, Right, Left});
  table.row({"layer", "in -> out", "stable rank", "rank", "energy", "Monarch error", "dense ms",
             "low-rank ms", "Monarch ms", "proposal"});
  for (const Advice &layer : layers)
    table.row({layer.name, thousands(layer.in) + " -> " + thousands(layer.out),
               optionalText("%.1f", layer.stableRank), thousands(layer.rank),
               optionalText("%.3f", layer.energyKept), optionalText("%.3f", layer.monarchError),
               timeText(layer.denseTime, layer.densePredicted),
               timeText(layer.lowRankTime, layer.lowRankPredicted),
               timeText(layer.monarchTime, layer.monarchPredicted), layer.proposal});
  std::fputs(table.text().c_str(), stdout);
  for (const Advice &layer : layers)
    if (!layer.why.empty())
      std::fprintf(stderr, "warning: %s stays dense: %s\n", layer.name.c_str(), layer.why.c_str());
}

std::string structureOf(const std::vector<Advice> &layers) {
  std::string rules;
  for (const Advice &layer : layers)
    if (layer.proposal != "dense")
      rules += std::string(rules.empty() ? "" : ", ") + "{match: " + jsonString(layer.name) + ", " +
               layer.proposal + "}";
  return "[" + rules + "]";
}

void printJson(const AdviseArguments &arguments, const std::vector<Advice> &layers) {
  auto number = [](const std::optional<double> &value) {
    return value ? format("%.6g", *value) : std::string("null");
  };
  std::printf("{\"structure\": %s, \"layers\": [", jsonString(structureOf(layers)).c_str());
  for (const Advice &layer : layers)
    std::printf(
        "%s\n  {\"name\": %s, \"in\": %llu, \"out\": %llu, \"rank\": %llu, \"energy\": %s, "
        "\"stable_rank\": %s, \"monarch_error\": %s, \"dense_ms\": %s, \"low_rank_ms\": %s, "
        "\"monarch_ms\": %s, \"predicted_ms\": {\"dense\": %.6g, \"low_rank\": %.6g, \"monarch\": "
        "%.6g}, \"proposal\": %s}",
        &layer == layers.data() ? "" : ",", jsonString(layer.name).c_str(),
        (unsigned long long)layer.in, (unsigned long long)layer.out, (unsigned long long)layer.rank,
        number(layer.energyKept).c_str(), number(layer.stableRank).c_str(),
        number(layer.monarchError).c_str(), number(layer.denseTime).c_str(),
        number(layer.lowRankTime).c_str(), number(layer.monarchTime).c_str(), layer.densePredicted,
        layer.lowRankPredicted, layer.monarchPredicted, jsonString(layer.proposal).c_str());
  std::printf("\n]}\n");
}

Status checkArguments(AdviseArguments &arguments) {
  auto energy = energyOf("--energy", arguments.energyText);
  if (!energy)
    return energy.takeError();
  arguments.energy = *energy;
  if (arguments.blocks < 1)
    return Error(ExitCode::Usage, "--nblocks 0: give 1 or more");
  if (isFolder(arguments.model) || arguments.model.ends_with(".dnb"))
    return Error(ExitCode::Usage,
                 "'" + arguments.model + "' is no spec (.yaml): advise proposes another spec");
  if (!arguments.out.empty() && pathExists(arguments.out))
    return Error(ExitCode::Usage, "'" + arguments.out + "' exists: name another file");
  return Status::ok();
}

Status advise(AdviseArguments &arguments) {
  auto model = openDenseTwin(arguments);
  if (!model)
    return model.takeError();
  const fb::Phase &phase = lastPhase(model->file.model());
  std::optional<SafetensorsFile> weights;
  if (!arguments.weights.empty()) {
    auto file = openWeights(arguments.weights);
    if (!file)
      return file.takeError();
    // All of them must fit, not only those that are looked at.
    auto converted = convertWeights(sourceOf(*file), phase);
    if (!converted)
      return converted.takeError();
    weights = std::move(*file);
  }
  std::vector<Advice> layers;
  for (const fb::Layer *layer : *phase.layers()) {
    if (layer->structure()->str() != "dense" || !layer->dense_macs())
      continue;
    Advice &advice = layers.emplace_back();
    advice.name = layer->name()->str();
    advice.in = layer->in_features();
    advice.out = layer->out_features();
    advice.rows = std::max<uint64_t>(1, layer->dense_macs() / (advice.in * advice.out));
    advice.rank = roundedRank(std::max<uint64_t>(1, advice.least() / 4), advice.least());
    if (!weights)
      continue;
    auto dense = readDense(sourceOf(*weights), advice.name, advice.out, advice.in);
    if (!dense)
      return dense.takeError();
    if (Status status = judgeWeights(arguments, *dense, advice); !status)
      return status.takeError().during("looking at " + advice.name);
  }
  if (arguments.measure)
    if (Status status = measure(arguments, model->file.model(), layers); !status)
      return status;
  ModelArguments onCpu = arguments;
  onCpu.device = "cpu";
  auto cpu = openDevice(onCpu);
  if (!cpu)
    return cpu.takeError();
  const fb::Training &training = *model->file.model().training();
  const fb::TargetPlan &plan = *lastPhase(model->file.model()).targets()->Get(0);
  Roofline roofline =
      processorLimits(knownRoofline(**cpu, cacheFolder()), training.dtype(), matrixProductsOf(plan))
          .front()
          .limit;
  for (Advice &layer : layers) {
    predict(arguments, roofline, training.batch_size() / training.accumulate(), layer);
    propose(arguments, layer);
  }
  arguments.json ? printJson(arguments, layers) : printTable(arguments, layers);
  if (arguments.out.empty()) {
    if (!arguments.json)
      std::printf("structure=%s\n", structureOf(layers).c_str());
    return Status::ok();
  }
  arguments.overrides.push_back("structure=" + structureOf(layers));
  return writeSpec(arguments, arguments.out);
}

} // namespace

Status runAdvise(const Arguments &words) {
  AdviseArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (Status status = checkArguments(arguments); !status)
    return status;
  return advise(arguments);
}

} // namespace danaus::tool
