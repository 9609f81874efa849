// danaus summary: layers, parameters, arithmetic and planned memory, from the model binary alone.
#include "runtime/device/Checks.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/Text.h"

namespace danaus::tool {

using ull = unsigned long long;

static Expected<CommandLine::Outcome> parse(const Arguments &words, ModelArguments &arguments,
                                            bool &json) {
  CommandLine line(
      "summary",
      "The layers of a model: structure, sizes, parameters, multiply-accumulates per\n"
      "sample beside those of the dense twin, and the memory of a training step.\n"
      "Warns where a structure has no fewer parameters than the dense layer.",
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

static void printTable(const fb::Model &model, const fb::Phase &phase) {
  using enum Table::Align;
  Table table({Left, Left, Right, Right, Right, Right});
  table.row({"layer", "structure", "in -> out", "params", "MACs", "% of dense"});
  for (const fb::Layer *layer : *phase.layers())
    table.row({layer->name()->str(), layer->structure()->str(),
               thousands(layer->in_features()) + " -> " + thousands(layer->out_features()),
               thousands(layer->params()), thousands(layer->macs()),
               percentOf(layer->macs(), layer->dense_macs())});
  std::fputs(table.text().c_str(), stdout);
  std::printf("total   params %s   MACs %s   (dense twin: %s / %s)\n",
              thousands(phase.params()).c_str(), thousands(phase.macs()).c_str(),
              thousands(model.dense_params()).c_str(), thousands(model.dense_macs()).c_str());
  std::printf("products of   %s\n", dtypeOf(model, phase).c_str());
  std::printf("memory of a step   %s (%s bytes, batch %s)\n",
              formatBytes(plannedBytes(phase)).c_str(), thousands(plannedBytes(phase)).c_str(),
              thousands(model.training()->batch_size()).c_str());
}

static void printJson(const fb::Model &model, const fb::Phase &phase) {
  std::printf("{\"params\": %llu, \"macs\": %llu, \"planned_bytes\": %llu, \"dtype\": \"%s\", "
              "\"layers\": [",
              ull(phase.params()), ull(phase.macs()), ull(plannedBytes(phase)),
              dtypeOf(model, phase).c_str());
  const char *separator = "";
  for (const fb::Layer *layer : *phase.layers()) {
    std::printf("%s\n  {\"name\": %s, \"structure\": %s, \"in\": %llu, \"out\": %llu, "
                "\"params\": %llu, \"macs\": %llu}",
                separator, jsonString(layer->name()->str()).c_str(),
                jsonString(layer->structure()->str()).c_str(), ull(layer->in_features()),
                ull(layer->out_features()), ull(layer->params()), ull(layer->macs()));
    separator = ",";
  }
  std::puts("]}");
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
  json ? printJson(model, phase) : printTable(model, phase);
  warnWhereStructureCannotPay(phase);
  return Status::ok();
}

} // namespace danaus::tool
