// danaus summary: layers, parameters, arithmetic and planned memory, from the model binary alone.
#include "runtime/device/Checks.h"
#include "runtime/profile/LayerPrediction.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"

namespace danaus::tool {

using ull = unsigned long long;

static Expected<CommandLine::Outcome> parse(const Arguments &words, ModelArguments &arguments,
                                            bool &json) {
  CommandLine line(
      "summary",
      "The layers of a model: structure, sizes, parameters, multiply-accumulates per\n"
      "sample beside those of the dense twin, and the memory of a training step. Predicted:\n"
      "milliseconds of a layer's products in a training step, by the rooflines of this CPU\n"
      "(measured once) and of a T4, A100 and H100 (data sheets); caches and launches are not\n"
      "in it. Warns where a structure has no fewer parameters than the dense layer.",
      {"danaus summary models/mnist_mlp_low_rank.yaml", "danaus summary mlp.dnb --json"});
  arguments.declareModel(line);
  arguments.declarePhase(line);
  line.flag(json, "--json", "print one JSON object");
  return line.parse(words);
}

/// The memory of one step, for the first target.
static uint64_t plannedBytes(const fb::Phase &phase) {
  return phase.targets()->Get(0)->arena_bytes();
}

static std::string dtypeOf(const fb::Model &model, const fb::Phase &phase) {
  return describeDtype(model, *phase.targets()->Get(0));
}

static std::string percentOf(uint64_t part, uint64_t whole) {
  return whole ? format("%.1f %%", 100.0 * double(part) / double(whole)) : "-";
}

static std::string timeText(double milliseconds) {
  return milliseconds >= 1000 ? thousands(uint64_t(milliseconds)) : format("%.3g", milliseconds);
}

/// Of a micro-batch.
static uint64_t rowsOfBatch(const fb::Model &model) {
  return model.training()->batch_size() / model.training()->accumulate();
}

static void printTable(const fb::Model &model, const fb::Phase &phase,
                       const std::vector<ProcessorLimit> &limits) {
  using enum Table::Align;
  std::vector<Table::Align> columns = {Left, Left, Right, Right, Right, Right};
  std::vector<std::string> head = {"layer",  "structure", "in -> out",
                                   "params", "MACs",      "% of dense"};
  for (const ProcessorLimit &each : limits) {
    columns.push_back(Right);
    head.push_back(each.name + " ms*");
  }
  Table table(columns);
  table.row(head);
  std::vector<double> sums(limits.size()), denseSums(limits.size());
  for (const fb::Layer *layer : *phase.layers()) {
    std::vector<std::string> row = {layer->name()->str(),
                                    layer->structure()->str(),
                                    thousands(layer->in_features()) + " -> " +
                                        thousands(layer->out_features()),
                                    thousands(layer->params()),
                                    thousands(layer->macs()),
                                    percentOf(layer->macs(), layer->dense_macs())};
    if (auto size = sizeOf(*layer, rowsOfBatch(model)))
      for (size_t i = 0; i < limits.size(); ++i) {
        double time = predictedMilliseconds(*size, limits[i].limit);
        sums[i] += time;
        denseSums[i] += predictedMilliseconds(denseTwin(*size), limits[i].limit);
        row.push_back(timeText(time));
      }
    table.row(row);
  }
  std::fputs(table.text().c_str(), stdout);
  std::printf("total   params %s   MACs %s   (dense twin: %s / %s)\n",
              thousands(phase.params()).c_str(), thousands(phase.macs()).c_str(),
              thousands(model.dense_params()).c_str(), thousands(model.dense_macs()).c_str());
  std::vector<std::string> predicted;
  for (size_t i = 0; i < limits.size(); ++i)
    predicted.push_back(limits[i].name + " " + timeText(sums[i]) + " ms (dense " +
                        timeText(denseSums[i]) + ")");
  std::string text;
  for (const std::string &one : predicted)
    text += (text.empty() ? "" : ", ") + one;
  std::printf("*predicted   %s   for a step's products, batch %s\n", text.c_str(),
              thousands(rowsOfBatch(model)).c_str());
  std::printf("products of   %s\n", dtypeOf(model, phase).c_str());
  std::printf("memory of a step   %s (%s bytes, batch %s)\n",
              formatBytes(plannedBytes(phase)).c_str(), thousands(plannedBytes(phase)).c_str(),
              thousands(model.training()->batch_size()).c_str());
}

static std::string predictionJson(const LinearSize &size,
                                  const std::vector<ProcessorLimit> &limits) {
  std::string text;
  for (const ProcessorLimit &each : limits)
    text += format("%s\"%s\": %.6g", text.empty() ? "" : ", ", each.name.c_str(),
                   predictedMilliseconds(size, each.limit));
  return "{" + text + "}";
}

static void printJson(const fb::Model &model, const fb::Phase &phase,
                      const std::vector<ProcessorLimit> &limits) {
  std::printf("{\"params\": %llu, \"macs\": %llu, \"planned_bytes\": %llu, \"dtype\": \"%s\", "
              "\"layers\": [",
              ull(phase.params()), ull(phase.macs()), ull(plannedBytes(phase)),
              dtypeOf(model, phase).c_str());
  const char *separator = "";
  for (const fb::Layer *layer : *phase.layers()) {
    std::printf("%s\n  {\"name\": %s, \"structure\": %s, \"in\": %llu, \"out\": %llu, "
                "\"params\": %llu, \"macs\": %llu",
                separator, jsonString(layer->name()->str()).c_str(),
                jsonString(layer->structure()->str()).c_str(), ull(layer->in_features()),
                ull(layer->out_features()), ull(layer->params()), ull(layer->macs()));
    if (auto size = sizeOf(*layer, rowsOfBatch(model)))
      std::printf(", \"predicted_ms\": %s, \"dense_predicted_ms\": %s",
                  predictionJson(*size, limits).c_str(),
                  predictionJson(denseTwin(*size), limits).c_str());
    std::printf("}");
    separator = ",";
  }
  std::puts("]}");
}

/// On stderr, so that --json stays JSON.
static void noteOpenRanks(const fb::Phase &phase) {
  const auto *rules = phase.rank_rules();
  if (rules && rules->size())
    std::fprintf(stderr,
                 "note: the rank%s of %u layer%s (r<=) will be chosen by the weights when the "
                 "phase begins; counted is the largest that saves parameters (a layer that needs "
                 "more stays dense)\n",
                 rules->size() == 1 ? "" : "s", rules->size(), rules->size() == 1 ? "" : "s");
}

/// On stderr, so that --json stays JSON.
static void warnWhereStructureCannotPay(const fb::Phase &phase) {
  for (const fb::Layer *layer : *phase.layers())
    if (layer->dense_macs() != 0 && layer->structure()->str() != "dense" &&
        layer->params() >= layer->dense_params())
      std::fprintf(
          stderr,
          "warning: %s: %s has %s parameters, a dense layer %s: this structure cannot pay; "
          "use a smaller rank or more blocks, or keep the layer dense (line %u of the "
          "spec)\n",
          layer->name()->c_str(), layer->structure()->c_str(), thousands(layer->params()).c_str(),
          thousands(layer->dense_params()).c_str(), layer->line());
}

/// Of the first processor: this CPU.
static void warnWhereLittleIsGained(const fb::Model &model, const fb::Phase &phase,
                                    const std::vector<ProcessorLimit> &limits) {
  constexpr double worth = 0.9;
  std::string names;
  for (const fb::Layer *layer : *phase.layers()) {
    auto size = sizeOf(*layer, rowsOfBatch(model));
    if (!size || layer->structure()->str() == "dense" || layer->params() >= layer->dense_params())
      continue;
    const Roofline &limit = limits.front().limit;
    if (!(predictedMilliseconds(*size, limit) <=
          worth * predictedMilliseconds(denseTwin(*size), limit)))
      names += (names.empty() ? "" : ", ") + layer->name()->str();
  }
  if (!names.empty())
    std::fprintf(stderr,
                 "warning: predicted to gain less than 10 %% of the dense layer's time on %s: %s; "
                 "too few features or rows (`danaus advise --measure` measures)\n",
                 limits.front().name.c_str(), names.c_str());
}

Status runSummary(const Arguments &words) {
  ModelArguments arguments;
  bool json = false;
  auto outcome = parse(words, arguments, json);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  Expected<CompiledModel> compiled = openModel(arguments);
  if (!compiled)
    return compiled.takeError();
  const fb::Model &model = compiled->file.model();
  Expected<size_t> index = arguments.phaseOf(model);
  if (!index)
    return index.takeError();
  const fb::Phase &phase = *model.phases()->Get(unsigned(*index));
  auto cpu = openDevice(arguments);
  if (!cpu)
    return cpu.takeError();
  auto limits = processorLimits(knownRoofline(**cpu, cacheFolder()), model.training()->dtype(),
                                matrixProductsOf(*phase.targets()->Get(0)));
  json ? printJson(model, phase, limits) : printTable(model, phase, limits);
  noteOpenRanks(phase);
  warnWhereStructureCannotPay(phase);
  warnWhereLittleIsGained(model, phase, limits);
  return Status::ok();
}

} // namespace danaus::tool
