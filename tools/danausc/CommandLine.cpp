// Reading the command line with LLVM's parser, so that MLIR's own flags (--mlir-timing,
// --mlir-print-ir-after-all, ...) work as everywhere.
#include "tools/danausc/CommandLine.h"
#include "tools/danausc/Manual.h"

#include "compiler/target/cuda/Arch.h"
#include "runtime/base/Nearest.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/WithColor.h"

using namespace danaus;
namespace cl = llvm::cl;

namespace {
struct EmissionName {
  llvm::StringLiteral name;
  Emission emission;
};
constexpr EmissionName emissions[] = {
    {"nn", Stage::Nn},
    {"structure", Stage::Structure},
    {"gradient", Stage::Gradient},
    {"fused", Stage::Fused},
    {"kernels", Stage::Kernels},
    {"plan", Stage::Plan},
    {"llvm", Stage::Llvm},
    {"asm", Stage::Asm},
    {"cuda", Stage::Cuda},
    {"ptx", Stage::Ptx},
    {"fusion", Table::Fusion},
    {"summary", Table::Summary},
    {"onnx", Format::Onnx},
    {"weights", Format::Weights},
};
constexpr llvm::StringLiteral isas[] = {"amx", "avx512", "avx2", "baseline"};

constexpr llvm::StringLiteral description = R"(compiles a model spec to a model binary

  danausc SPEC.yaml [key=value ...] [-o MODEL.dnb]

Any value of the spec can be set as key=value: train.epochs=3. '-' reads the spec from standard input.
)";

/// What --help begins with.
std::string overview() {
  std::string text = description.str() + "Exit codes: ";
  for (auto [code, meaning] : exitCodeTexts())
    text += (code ? ", " : "") + std::to_string(code) + " " + meaning;
  return text + ".\n";
}

/// Everything that can be asked for, as LLVM's parser sees it; lives while the line is read.
struct Flags {
  cl::OptionCategory category{"danausc options"};
  cl::list<std::string> words{cl::Positional, cl::desc("SPEC.yaml [key=value ...]"),
                              cl::cat(category)};
  cl::opt<std::string> output{"o", cl::value_desc("file"), cl::cat(category),
                              cl::desc("Where to write: SPEC's name with .dnb, or standard output "
                                       "with --emit, unless given")};
  cl::list<std::string> targets{
      "target", cl::value_desc("name,..."), cl::cat(category),
      cl::desc("cpu (this machine's best, the default), cpu:amx, cpu:avx512, "
               "cpu:avx2, cpu:baseline; cuda (sm_80), cuda:sm_70 to cuda:sm_120")};
  cl::opt<std::string> emit{"emit", cl::value_desc("stage"), cl::cat(category),
                            cl::desc("Print a stage (nn, structure, gradient, fused, kernels, "
                                     "plan, llvm, asm, cuda, ptx) or a "
                                     "table (fusion, summary) in place of compiling; onnx: write "
                                     "the model with its weights as an ONNX file; weights: SPEC is "
                                     "an .onnx file, whose weights become a .safetensors file")};
  cl::opt<std::string> weights{"weights", cl::value_desc("file"), cl::cat(category),
                               cl::desc("With --emit=onnx: the weights (.safetensors)")};
  cl::opt<unsigned> batch{"batch", cl::value_desc("N"), cl::cat(category),
                          cl::desc("With --emit=onnx: the size of the batch (open, unless given)")};
  cl::opt<unsigned> phase{"phase", cl::value_desc("N"), cl::cat(category),
                          cl::desc("With --emit: which of train.phases, from 1 (the last, unless "
                                   "given)")};
  cl::opt<unsigned> ranks{"ranks", cl::value_desc("N"), cl::cat(category),
                          cl::desc("For N processes that train together (1, unless given): each "
                                   "takes its part of a batch")};
  cl::opt<std::string> chosenRanks{
      "chosen-ranks", cl::value_desc("file"), cl::cat(category),
      cl::desc("ranks.json of a run: the ranks that its weights chose where the spec says rank: "
               "auto or {energy: E} (the largest that save parameters, unless given)")};
  cl::opt<unsigned> jobs{"j", cl::Prefix, cl::value_desc("N"), cl::cat(category),
                         cl::desc("Compile N kernels at a time (one a core, unless given); the "
                                  "result is the same for any N")};
  cl::alias longJobs{"jobs", cl::aliasopt(jobs), cl::NotHidden, cl::desc("The same as -j"),
                     cl::cat(category)};
  cl::opt<bool> noCache{"no-cache", cl::cat(category),
                        cl::desc("Compile all anew, and keep nothing in the cache of compiled "
                                 "models and kernels ($XDG_CACHE_HOME/danaus)")};
  cl::opt<bool> json{"json", cl::cat(category), cl::desc("With --emit=fusion: as JSON")};
  cl::opt<bool> svg{"svg", cl::cat(category),
                    cl::desc("With --emit=fusion: the training step as a graph, an SVG file")};
  cl::opt<bool> remarks{"remarks", cl::cat(category),
                        cl::desc("Print what the passes tell about their decisions")};
  cl::opt<bool> printConfig{"print-config", cl::cat(category),
                            cl::desc("Print the spec with every default written out")};
  cl::opt<bool> printSchema{"print-schema", cl::cat(category),
                            cl::desc("Print the JSON Schema of specs, for editors")};
  cl::opt<bool> man{"man", cl::cat(category), cl::desc("Print the manual page, danausc(1)")};
};

std::optional<CommandLine> usageError(const llvm::Twine &text) {
  llvm::WithColor::error(llvm::errs(), "danausc") << text << " (--help tells more)\n";
  return std::nullopt;
}

/// "; did you mean 'x'?" or "; known: a, b".
template <typename Range> std::string hint(llvm::StringRef written, const Range &known) {
  if (auto nearest = nearestName(std::string_view(written), known))
    return "; did you mean '" + *nearest + "'?";
  return "; known: " + llvm::join(known, ", ");
}

/// SPEC and key=value, into `line`; an error is returned as text.
std::optional<std::string> readWords(llvm::ArrayRef<std::string> words, CommandLine &line) {
  if (words.empty())
    return line.printSchema || !line.manual.empty() ? std::nullopt
                                                    : std::optional<std::string>("no spec given");
  line.spec = words[0];
  for (const std::string &word : words.drop_front()) {
    if (word.find('=') == std::string::npos)
      return "'" + word + "' is not key=value; only one spec is compiled at a time";
    line.overrides.push_back(word);
  }
  return std::nullopt;
}

/// --weights and --batch, which are --emit=onnx's; that and --emit=weights write binary files.
std::optional<std::string> readFormat(const Flags &flags, CommandLine &line) {
  const Format *format = line.emit ? std::get_if<Format>(&*line.emit) : nullptr;
  bool isOnnx = format && *format == Format::Onnx;
  if (!isOnnx && (flags.weights.getNumOccurrences() || flags.batch.getNumOccurrences()))
    return "--weights and --batch go with --emit=onnx";
  if (format && (line.output.empty() || line.output == "-"))
    return "--emit=" + std::string(isOnnx ? "onnx" : "weights") + " needs -o FILE";
  if (isOnnx && flags.weights.empty())
    return "--emit=onnx needs --weights FILE.safetensors";
  if (flags.batch.getNumOccurrences() && (flags.batch < 1 || flags.batch > 1 << 20))
    return "--batch takes a number from 1 to 1048576";
  line.weights = flags.weights;
  if (flags.batch.getNumOccurrences()) {
    line.batch = flags.batch;
    line.overrides.push_back("train.batch_size=" + std::to_string(*line.batch));
    line.overrides.push_back("train.accumulate=1");
  }
  return std::nullopt;
}

/// --json and --svg, which are --emit=fusion's.
std::optional<std::string> readForm(const Flags &flags, CommandLine &line) {
  if (!flags.json && !flags.svg)
    return std::nullopt;
  if (flags.json && flags.svg)
    return "--json and --svg exclude each other";
  if (line.emit != Emission(Table::Fusion))
    return std::string(flags.json ? "--json" : "--svg") + " goes with --emit=fusion";
  line.form = flags.json ? Form::Json : Form::Svg;
  return std::nullopt;
}

/// -j; more threads than any machine has cores are a slip of the hand.
std::optional<std::string> readJobs(unsigned jobs, CommandLine &line) {
  constexpr unsigned most = 1024;
  if (jobs < 1 || jobs > most)
    return "-j takes a number of threads from 1 to " + std::to_string(most) + ", not " +
           std::to_string(jobs);
  line.jobs = jobs;
  return std::nullopt;
}

/// --ranks.
std::optional<std::string> readRanks(unsigned ranks, CommandLine &line) {
  constexpr unsigned most = 1 << 16;
  if (ranks < 1 || ranks > most)
    return "--ranks takes a number of processes from 1 to " + std::to_string(most) + ", not " +
           std::to_string(ranks);
  line.ranks = ranks;
  return std::nullopt;
}

/// Whether the cache may answer. MLIR's own options want to see the passes run.
bool usesCache(const Flags &flags, const CommandLine &line) {
  bool asksMlir = llvm::any_of(cl::getRegisteredOptions(), [&](auto &entry) {
    const cl::Option &option = *entry.second;
    return option.getNumOccurrences() && !llvm::is_contained(option.Categories, &flags.category);
  });
  return !flags.noCache && !asksMlir && !line.remarks && !line.emit && !line.printConfig &&
         !line.printSchema;
}

std::optional<std::string> readEmit(llvm::StringRef name, CommandLine &line) {
  std::vector<std::string> names;
  for (const EmissionName &known : emissions) {
    if (known.name == name)
      line.emit = known.emission;
    names.push_back(known.name.str());
  }
  if (name == "cuda" || name == "ptx")
    for (Target &target : line.targets)
      if (target == Target())
        target = {"cuda", cuda::defaultArch().name.str()};
  if (!line.emit)
    return "there is no stage '" + name.str() + "'" + hint(name, names);
  if (line.targets.size() > 1)
    return "--emit prints one target, but " + std::to_string(line.targets.size()) + " are given";
  return std::nullopt;
}
} // namespace

std::optional<std::string> danaus::parseTargets(llvm::StringRef text,
                                                std::vector<Target> &targets) {
  for (llvm::StringRef name : llvm::split(text, ',')) {
    auto [device, isa] = name.split(':');
    std::vector<std::string> known = {"cpu"};
    for (llvm::StringRef each : isas)
      known.push_back(("cpu:" + each).str());
    known.push_back("cuda");
    for (const cuda::Arch &arch : cuda::knownArchs())
      known.push_back(("cuda:" + arch.name).str());
    if (!llvm::is_contained(known, name))
      return "there is no target '" + name.str() + "'" + hint(name, known);
    Target target{device.str(), isa.str()};
    if (target.device == "cuda" && target.isa.empty())
      target.isa = cuda::defaultArch().name;
    if (llvm::is_contained(targets, target))
      return "target '" + name.str() + "' is given twice";
    targets.push_back(target);
  }
  return std::nullopt;
}

std::optional<CommandLine> danaus::parseCommandLine(int argc, char **argv) {
  Flags flags;
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  cl::HideUnrelatedOptions(flags.category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "danausc " DANAUS_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });
  if (!cl::ParseCommandLineOptions(argc, argv, overview(), &llvm::errs()))
    return std::nullopt;

  CommandLine line;
  line.output = flags.output;
  line.remarks = flags.remarks;
  line.chosenRanks = flags.chosenRanks;
  line.printConfig = flags.printConfig;
  line.printSchema = flags.printSchema;
  if (flags.man)
    line.manual = manPage(flags.category);
  if (auto problem = readWords(flags.words, line))
    return usageError(*problem);
  for (const std::string &text : flags.targets)
    if (auto problem = parseTargets(text, line.targets))
      return usageError(*problem);
  if (line.targets.empty())
    line.targets.push_back({});
  if (flags.jobs.getNumOccurrences())
    if (auto problem = readJobs(flags.jobs, line))
      return usageError(*problem);
  if (flags.ranks.getNumOccurrences())
    if (auto problem = readRanks(flags.ranks, line))
      return usageError(*problem);
  if (flags.emit.getNumOccurrences())
    if (auto problem = readEmit(flags.emit, line))
      return usageError(*problem);
  if (auto problem = readFormat(flags, line))
    return usageError(*problem);
  if (auto problem = readForm(flags, line))
    return usageError(*problem);
  if (flags.phase.getNumOccurrences()) {
    if (!line.emit || flags.phase < 1)
      return usageError("--phase N, from 1, says of which phase --emit prints a stage");
    line.phase = flags.phase;
  }
  if (line.printConfig + line.printSchema + line.emit.has_value() > 1)
    return usageError("--emit, --print-config and --print-schema exclude each other");
  line.usesCache = usesCache(flags, line);
  return line;
}
