// danaus compare: trains several specs with several seeds, side by side, and says what the runs
// have in common and what not.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Hash.h"
#include "runtime/base/Json.h"
#include "runtime/compare/Comparison.h"
#include "runtime/device/Checks.h"
#include "runtime/train/StopSignals.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Process.h"
#include "tools/danaus/command/Text.h"

#include <algorithm>

namespace danaus::tool {

namespace {

constexpr const char *planFile = "plan.json";

struct CompareArguments : ModelArguments {
  std::vector<std::string> words, specs;
  std::string out = "runs/compare";
  uint64_t seeds = 3, processes = 1;
  bool json = false;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, CompareArguments &into) {
  CommandLine line(
      "compare",
      "Trains every SPEC with the same seeds, in turns, and compares what came out: test\n"
      "accuracy, time of an epoch, parameters, multiply-accumulates, memory, and the first\n"
      "SPEC's time by the others'. Each run is a `danaus train` of its own in\n"
      "DIR/<name>/seed-<n>; DIR gets compare.json and compare.html. The same command goes on\n"
      "with a comparison that was interrupted, and finished runs are not run again.",
      {"danaus compare models/mnist_mlp.yaml models/mnist_mlp_low_rank.yaml",
       "danaus compare a.yaml b.yaml train.epochs=10 --seeds 5 --out runs/study",
       "danaus compare a.yaml b.yaml --nproc 4"});
  line.rest(into.words, "SPEC ... key=value",
            "two or more specs, and values to set in all of them");
  line.option(into.seeds, "--seeds", "how many seeds, from that of the first spec on [3]");
  line.option(into.out, "--out", "DIR", "where all runs go [runs/compare]");
  line.option(into.processes, "--nproc", "processes that share each run [1]");
  into.declareDevice(line);
  line.flag(into.json, "--json", "print compare.json instead of the table");
  auto outcome = line.parse(words);
  for (const std::string &word : into.words)
    (word.find('=') == std::string::npos ? into.specs : into.overrides).push_back(word);
  return outcome;
}

/// What is compared: the models, and the seed to begin with.
struct Plan {
  std::vector<ComparedModel> models;
  std::vector<std::string> hashes; ///< of the resolved specs
  uint64_t firstSeed = 0;
};

/// Compiles every spec: whatever is wrong with one is said before anything is trained.
Expected<Plan> makePlan(const CompareArguments &arguments) {
  Plan plan;
  for (const std::string &spec : arguments.specs) {
    if (isFolder(spec) || spec.ends_with(".dnb"))
      return Error(ExitCode::Usage, "'" + spec +
                                        "' is no spec (.yaml): compare trains specs, with "
                                        "seeds of its own");
    ModelArguments one = arguments;
    one.model = spec;
    auto model = openModel(one);
    if (!model)
      return model.takeError();
    const fb::Model &table = model->file.model();
    std::string name = table.name()->str();
    auto isSame = [&](const ComparedModel &other) { return other.name == name; };
    if (auto other = std::ranges::find_if(plan.models, isSame); other != plan.models.end())
      return Error(ExitCode::Usage, "'" + other->spec + "' and '" + spec + "' are both called '" +
                                        name + "': give one another `name`");
    if (plan.models.empty())
      plan.firstSeed = table.seed();
    plan.models.push_back({name, spec, lastPhase(table).params(), lastPhase(table).macs(), {}});
    Hash hash;
    hash.add(table.spec()->str());
    plan.hashes.push_back(hash.hex());
  }
  return plan;
}

/// A folder holds one comparison: other specs are not mixed into it.
Status enterFolder(const std::string &folder, const Plan &plan, uint64_t processes) {
  nlohmann::ordered_json models = nlohmann::ordered_json::object();
  for (size_t i = 0; i < plan.models.size(); ++i)
    models[plan.models[i].name] = plan.hashes[i];
  nlohmann::ordered_json content = {{"first_seed", plan.firstSeed}, {"models", models}};
  if (processes != 1)
    content["processes"] = processes;
  std::string text = content.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::string path = joinPath(folder, planFile);
  if (Status status = makeFolders(folder); !status)
    return status;
  if (!pathExists(path))
    return writeFileAtomically(path, text);
  auto known = readFile(path, 1 << 24, ExitCode::CheckpointInvalid);
  if (!known)
    return known.takeError();
  if (*known != text)
    return Error(ExitCode::Usage,
                 "'" + folder +
                     "' holds a comparison of other specs or values: name another folder "
                     "with --out, or remove it");
  return Status::ok();
}

std::string runFolder(const CompareArguments &arguments, const ComparedModel &model,
                      uint64_t seed) {
  return joinPath(joinPath(arguments.out, model.name),
                  format("seed-%llu", (unsigned long long)seed));
}

Error stopped(const CompareArguments &arguments) {
  return Error(ExitCode::Stopped,
               "stopped on request; the same command goes on with '" + arguments.out + "'");
}

/// Trains one model with one seed, unless that was done; goes on where it was interrupted.
Status train(const CompareArguments &arguments, const ComparedModel &model, uint64_t seed,
             const StopSignals &signals) {
  std::string folder = runFolder(arguments, model, seed);
  if (pathExists(joinPath(folder, "summary.json")))
    return Status::ok();
  std::vector<std::string> words = {programBeside("danaus"), "train", model.spec};
  words.insert(words.end(), arguments.overrides.begin(), arguments.overrides.end());
  words.insert(words.end(), {format("seed=%llu", (unsigned long long)seed), "--out", folder,
                             "--device", arguments.device, "--quiet", "--json"});
  if (arguments.threads)
    words.insert(words.end(), {"--threads", std::to_string(arguments.threads)});
  if (arguments.processes != 1)
    words.insert(words.end(), {"--nproc", std::to_string(arguments.processes)});
  if (isFolder(joinPath(folder, "checkpoints")))
    words.push_back("--resume");
  if (signals.requested())
    return stopped(arguments);
  auto code = runProcess(words, ChildOutput::Discarded, [&] { return signals.requested(); });
  if (!code)
    return code.takeError();
  if (*code == int(ExitCode::Stopped))
    return stopped(arguments);
  if (*code != 0)
    return alreadyReported(ExitCode(*code));
  return Status::ok();
}

std::string spreadText(const Spread &spread, const char *one, const char *both) {
  char text[64];
  spread.deviation ? std::snprintf(text, sizeof(text), both, spread.mean, *spread.deviation)
                   : std::snprintf(text, sizeof(text), one, spread.mean);
  return text;
}

void printTable(const std::vector<ComparedModel> &models) {
  using enum Table::Align;
  Table table({Left, Right, Right, Right, Right, Right, Right, Right, Right});
  table.row({"model", "params", "MACs", "test accuracy", "epoch, s", "speed", "memory",
             "against first", "p"});
  std::vector<ComparisonRow> rows = compareRuns(models);
  for (size_t i = 0; i < models.size(); ++i) {
    const auto &test = rows[i].accuracy;
    table.row({models[i].name, thousands(rows[i].params), thousands(rows[i].macs),
               spreadText(rows[i].testAccuracy, "%.4f", "%.4f +- %.4f"),
               spreadText(rows[i].epochSeconds, "%.3f", "%.3f +- %.3f"),
               format("%.2fx", rows[i].speed.mean), formatBytes(rows[i].peakBytes),
               test ? format("%+.4f", test->difference.mean) : "-",
               test ? format("%.3f", test->p) : "-"});
  }
  std::fputs(table.text().c_str(), stdout);
}

/// All runs, seed by seed; in every other round the models come in the opposite order, so that no
/// one always has the warmer machine.
Status trainAll(const CompareArguments &arguments, Plan &plan) {
  StopSignals signals;
  size_t done = 0, all = arguments.seeds * plan.models.size();
  for (uint64_t i = 0; i < arguments.seeds; ++i)
    for (size_t j = 0; j < plan.models.size(); ++j) {
      ComparedModel &model = plan.models[i % 2 ? plan.models.size() - 1 - j : j];
      uint64_t seed = plan.firstSeed + i;
      std::fprintf(stderr, "run %zu of %zu: %s, seed %llu\n", ++done, all, model.name.c_str(),
                   (unsigned long long)seed);
      if (Status status = train(arguments, model, seed, signals); !status)
        return status;
      auto run = readRun(runFolder(arguments, model, seed), seed);
      if (!run)
        return run.takeError();
      model.runs.push_back(std::move(*run));
    }
  return Status::ok();
}

} // namespace

Status runCompare(const Arguments &words) {
  CompareArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.specs.size() < 2)
    return Error(ExitCode::Usage, "give two or more specs to compare");
  if (arguments.seeds < 1 || arguments.seeds > 1000)
    return Error(ExitCode::Usage, "--seeds takes 1 to 1000");
  for (const std::string &entry : arguments.overrides)
    if (entry.starts_with("seed="))
      return Error(ExitCode::Usage, "'" + entry +
                                        "': compare gives the seeds; set `seed` in the "
                                        "first spec to begin with another");
  auto plan = makePlan(arguments);
  if (!plan)
    return plan.takeError();
  if (Status status = enterFolder(arguments.out, *plan, arguments.processes); !status)
    return status;
  if (Status status = trainAll(arguments, *plan); !status)
    return status;
  std::string json = comparisonJson(plan->models);
  for (const auto &[name, text] :
       {std::pair("compare.json", json), std::pair("compare.html", comparisonPage(plan->models))})
    if (Status status = writeFileAtomically(joinPath(arguments.out, name), text); !status)
      return status;
  if (arguments.json) {
    std::fputs(json.c_str(), stdout);
    return Status::ok();
  }
  printTable(plan->models);
  std::printf("%s\n", joinPath(arguments.out, "compare.html").c_str());
  return Status::ok();
}

} // namespace danaus::tool
