// danaus data check: what is in a folder of data and whether all of it can be read.
#include "runtime/base/File.h"
#include "runtime/data/Check.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/run/RunRecord.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Progress.h"
#include "tools/danaus/command/Text.h"

#include <algorithm>
#include <unistd.h>

namespace danaus::tool {

namespace {
struct DataArguments {
  std::string word, name;
  std::vector<std::string> paths;
  uint64_t threads = 0;
  bool json = false;
};

constexpr size_t listedDamaged = 20, listedClasses = 20;
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, DataArguments &into) {
  CommandLine line(
      "data",
      "data check: says which dataset is in a folder, counts its images, decodes all of\n"
      "them, lists the damaged ones and compares with the published set. PATH is the\n"
      "folder, or a model (spec, .dnb or run) whose data are meant; without it the usual\n"
      "places are searched for NAME. Exit code 4 when something is wrong.",
      {"danaus data check /usr/share/datasets/fashion-mnist",
       "danaus data check models/mnist_mlp.yaml", "danaus data check --name cifar10",
       "danaus data check photos --name image_folder --json"});
  line.positional(into.word, "check", "what to do: check");
  line.rest(into.paths, "PATH", "a folder of data, or a model");
  line.option(into.name, "--name", "NAME", "the dataset, as in data.name [recognised]");
  line.option(into.threads, "--threads", "threads that decode [all cores of this process]");
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
}

/// The folder that a training of this model would read.
static Expected<FoundDataset> findDataOfModel(const std::string &path) {
  ModelArguments arguments;
  arguments.model = path;
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  const fb::Data &data = *model->file.model().data();
  Expected<const DatasetFormat *> format = findDatasetFormat(data.name()->str());
  if (!format)
    return format.takeError();
  Expected<std::string> folder = findDatasetFolder(**format, data.dir() ? data.dir()->str() : "",
                                                   DataEnvironment::fromProcess());
  if (!folder)
    return folder.takeError();
  return FoundDataset{*format, *folder};
}

static bool isModel(const std::string &path) {
  if (isFolder(path))
    return pathExists(joinPath(path, runModelFile));
  return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".dnb");
}

static Expected<FoundDataset> find(const DataArguments &arguments) {
  std::string path = arguments.paths.empty() ? "" : arguments.paths.front();
  if (!path.empty() && isModel(path)) {
    if (!arguments.name.empty())
      return Error(ExitCode::Usage, "'" + path +
                                        "' says itself what its data are called: leave "
                                        "out --name");
    return findDataOfModel(path);
  }
  if (arguments.name.empty())
    return recogniseDataset(path);
  Expected<const DatasetFormat *> format = findDatasetFormat(arguments.name);
  if (!format)
    return Error(ExitCode::Usage, format.error().message());
  Expected<std::string> folder = findDatasetFolder(**format, path, DataEnvironment::fromProcess());
  if (!folder)
    return folder.takeError();
  return FoundDataset{*format, *folder};
}

static const char *nameOf(Portion portion) { return portion == Portion::Train ? "train" : "test"; }

/// "28 x 28", or "32 x 40 to 500 x 375" where they differ: width x height.
static std::string sizeText(const PortionCheck &check) {
  if (check.channels == 0)
    return "-";
  std::string smallest = format("%u x %u", check.minWidth, check.minHeight);
  std::string largest = format("%u x %u", check.maxWidth, check.maxHeight);
  return smallest == largest ? smallest : smallest + " to " + largest;
}

/// "6,000", or "980 to 1,300" where the classes differ.
static std::string perClassText(const PortionCheck &check) {
  if (check.perClass.empty())
    return "-";
  auto [least, most] = std::minmax_element(check.perClass.begin(), check.perClass.end());
  return *least == *most ? thousands(*least) : thousands(*least) + " to " + thousands(*most);
}

static void printClasses(const DatasetCheck &check) {
  using enum Table::Align;
  Table table({Left, Right, Right});
  table.row({"class", "train", "test"});
  size_t classes = 0;
  for (const PortionCheck &portion : check.portions)
    classes = std::max(classes, portion.perClass.size());
  if (classes == 0 || classes > listedClasses)
    return;
  for (size_t label = 0; label < classes; ++label) {
    bool named = label < check.classNames.size();
    std::vector<std::string> row{named ? check.classNames[label] : std::to_string(label)};
    for (const PortionCheck &portion : check.portions)
      row.push_back(label < portion.perClass.size() ? thousands(portion.perClass[label]) : "-");
    table.row(std::move(row));
  }
  std::printf("\n%s", table.text().c_str());
}

static void printFaults(const PortionCheck &portion) {
  if (!portion.problem.empty())
    std::printf("\n%s: %s\n", nameOf(portion.portion), portion.problem.c_str());
  if (portion.damaged.empty())
    return;
  std::printf("\n%s: %s of %s images are damaged\n", nameOf(portion.portion),
              thousands(portion.damaged.size()).c_str(), thousands(portion.images).c_str());
  for (size_t index = 0; index < std::min(portion.damaged.size(), listedDamaged); ++index)
    std::printf("  %s\n", portion.damaged[index].message.c_str());
  if (portion.damaged.size() > listedDamaged)
    std::printf("  and %s more (--json lists all)\n",
                thousands(portion.damaged.size() - listedDamaged).c_str());
}

static void printTable(const DatasetCheck &check) {
  using enum Table::Align;
  std::printf("%s   %s\n\n", check.name.c_str(), check.folder.c_str());
  Table table({Left, Right, Right, Right, Right, Left});
  table.row({"portion", "images", "classes", "per class", "width x height", "compared"});
  for (const PortionCheck &portion : check.portions)
    table.row({nameOf(portion.portion), thousands(portion.images),
               thousands(portion.perClass.size()), perClassText(portion), sizeText(portion),
               portion.published.detail.empty() ? "-" : portion.published.detail});
  std::fputs(table.text().c_str(), stdout);
  printClasses(check);
  for (const PortionCheck &portion : check.portions)
    printFaults(portion);
  if (check.intact())
    std::puts("\nall of it can be read");
}

static const char *wordOf(Published verdict) {
  return verdict == Published::Matches   ? "\"matches\""
         : verdict == Published::Differs ? "\"differs\""
                                         : "null";
}

template <typename Range, typename Print>
static std::string jsonList(const Range &range, const Print &print) {
  std::string text;
  for (const auto &entry : range)
    text += (text.empty() ? "" : ", ") + print(entry);
  return "[" + text + "]";
}

static std::string jsonOf(const PortionCheck &portion) {
  std::string text =
      format("{\"portion\": \"%s\", \"images\": %zu, ", nameOf(portion.portion), portion.images);
  text += "\"per_class\": " +
          jsonList(portion.perClass, [](size_t count) { return std::to_string(count); });
  text += format(", \"channels\": %u, \"min_height\": %u, \"max_height\": %u, \"min_width\": %u, "
                 "\"max_width\": %u, \"published\": %s, \"comparison\": ",
                 portion.channels, portion.minHeight, portion.maxHeight, portion.minWidth,
                 portion.maxWidth, wordOf(portion.published.verdict));
  text += jsonString(portion.published.detail) +
          ", \"problem\": " + (portion.problem.empty() ? "null" : jsonString(portion.problem));
  return text + ", \"damaged\": " +
         jsonList(portion.damaged,
                  [](const DamagedImage &image) { return jsonString(image.message); }) +
         "}";
}

static void printJson(const DatasetCheck &check) {
  std::printf("{\"name\": %s, \"folder\": %s, \"intact\": %s, \"class_names\": %s, \"portions\": "
              "%s}\n",
              jsonString(check.name).c_str(), jsonString(check.folder).c_str(),
              check.intact() ? "true" : "false", jsonList(check.classNames, jsonString).c_str(),
              jsonList(check.portions, jsonOf).c_str());
}

static DatasetCheck check(const DataArguments &arguments, const FoundDataset &found) {
  ProgressLine line(progressStyleOf(STDERR_FILENO));
  CheckOptions options;
  options.threads =
      arguments.threads ? unsigned(std::min<uint64_t>(arguments.threads, 256)) : usableCores();
  options.progress = [&](size_t done, size_t total) {
    if (line.due())
      line.show(
          format("decoding   %s/%s images", thousands(done).c_str(), thousands(total).c_str()));
  };
  return checkDataset(*found.format, found.folder, options);
}

Status runData(const Arguments &words) {
  DataArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.word != "check")
    return Error(ExitCode::Usage,
                 "danaus data can check, not '" + arguments.word + "': danaus data check PATH");
  if (arguments.paths.size() > 1)
    return Error(ExitCode::Usage, "one PATH at a time: '" + arguments.paths[1] + "' is too many");
  if (arguments.paths.empty() && arguments.name.empty())
    return Error(ExitCode::Usage, "give the PATH of a folder or a model, or --name NAME to search "
                                  "the usual places");
  Expected<FoundDataset> found = find(arguments);
  if (!found)
    return found.takeError();
  DatasetCheck result = check(arguments, *found);
  arguments.json ? printJson(result) : printTable(result);
  if (!result.intact())
    return Error(ExitCode::DataInvalid, format("%s in '%s' cannot be used as it is",
                                               result.name.c_str(), result.folder.c_str()));
  return Status::ok();
}

} // namespace danaus::tool
