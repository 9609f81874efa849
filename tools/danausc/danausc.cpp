// danausc: a model spec in; a model binary, a stage of the compiler or a table out.
#include "compiler/Fusion.h"
#include "compiler/Layers.h"
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "compiler/onnx/Export.h"
#include "compiler/onnx/Import.h"
#include "dialects/nn/NN.h"
#include "runtime/base/Status.h"
#include "runtime/structure/RankFile.h"
#include "tools/danausc/Cache.h"
#include "tools/danausc/CommandLine.h"
#include "tools/danausc/Summary.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/Timing.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/WithColor.h"

using namespace danaus;
using mlir::failed;

static ExitCode ioError(const llvm::Twine &what, std::error_code code) {
  llvm::WithColor::error(llvm::errs(), "danausc") << what << ": " << code.message() << '\n';
  return ExitCode::IoError;
}

static ExitCode usageError(const llvm::Twine &text) {
  llvm::WithColor::error(llvm::errs(), "danausc") << text << '\n';
  return ExitCode::Usage;
}

static ExitCode reported(Status status) {
  if (status)
    return ExitCode::Done;
  llvm::WithColor::error(llvm::errs(), "danausc") << status.error().message() << '\n';
  return status.error().code();
}

/// Writes `text` to a file, or to standard output where `path` is empty or "-".
static ExitCode writeText(llvm::StringRef path, llvm::StringRef text) {
  std::error_code code;
  llvm::raw_fd_ostream os(path.empty() ? "-" : path, code);
  std::string name = path.empty() || path == "-" ? "standard output" : "'" + path.str() + "'";
  if (code)
    return ioError("cannot open " + name, code);
  os << text;
  os.flush();
  code = os.error();
  os.clear_error(); // else its destructor aborts
  return code ? ioError("cannot write " + name, code) : ExitCode::Done;
}

/// --emit=fusion.
static mlir::LogicalResult emitFusion(mlir::ModuleOp module, const CommandLine &line,
                                      llvm::StringRef model, llvm::raw_ostream &os,
                                      mlir::TimingScope &timing) {
  mlir::FailureOr<Fusion> fusion = planAndDescribeFusion(module, line.targets.front(), timing);
  if (failed(fusion))
    return mlir::failure();
  os << (line.form == Form::Json  ? fusionAsJson(*fusion)
         : line.form == Form::Svg ? fusionAsSvg(*fusion, model)
                                  : fusionAsText(*fusion));
  return mlir::success();
}

/// The text that --emit asks for; the module is changed by the phases that lead there.
static mlir::LogicalResult emit(mlir::ModuleOp module, const CommandLine &line,
                                llvm::StringRef model, llvm::raw_ostream &os,
                                mlir::TimingScope &timing) {
  const Emission &emission = *line.emit;
  const Target &target = line.targets.front();
  if (const Stage *stage = std::get_if<Stage>(&emission))
    return mlir::success(succeeded(runPhases(module, *stage, target, timing)) &&
                         succeeded(printStage(module, *stage, target, os, timing)));
  if (std::get<Table>(emission) == Table::Fusion)
    return emitFusion(module, line, model, os, timing);
  if (failed(runPhases(module, Stage::Structure, target, timing)))
    return mlir::failure();
  auto forward = module.lookupSymbol<mlir::func::FuncOp>("forward");
  std::vector<LayerRow> rows = collectLayers(forward);
  printSummary(rows, collectTotals(forward, rows), os);
  return mlir::success();
}

/// models/mlp.yaml is compiled to mlp.dnb in the working folder; `model` is the spec's name.
static std::string outputOf(const CommandLine &line, llvm::StringRef model) {
  if (!line.output.empty())
    return line.output;
  return (line.spec == "-" ? model : llvm::sys::path::stem(line.spec)).str() + ".dnb";
}

/// The folder is tried before the work, so that nobody waits for a compilation to be thrown away.
static ExitCode checkFolder(llvm::StringRef output) {
  llvm::StringRef folder = llvm::sys::path::parent_path(output);
  folder = folder.empty() ? "." : folder;
  if (std::error_code code = llvm::sys::fs::access(folder, llvm::sys::fs::AccessMode::Write))
    return ioError("cannot write to folder '" + folder + "'", code);
  return ExitCode::Done;
}

/// `warnings` is what was printed of them until now, and is printed again when the model comes from
/// the cache.
static ExitCode compile(const spec::Spec &spec,
                        llvm::ArrayRef<mlir::OwningOpRef<mlir::ModuleOp>> phases,
                        const CommandLine &line, const CompilerCache &cache,
                        const std::string &warnings, mlir::TimingScope &timing) {
  std::string path = outputOf(line, spec.name.value);
  if (ExitCode code = checkFolder(path); code != ExitCode::Done)
    return code;
  auto bytes = compileModel(spec, phases, line.targets, cache.kernels(), timing);
  if (!bytes)
    return reported(bytes.takeError());
  cache.keep(*bytes, warnings);
  return reported(writeModelBytes(path, *bytes));
}

/// What `compile` did before.
static ExitCode writeCached(const CachedModel &model, const CommandLine &line) {
  std::string path = outputOf(line, model.file.model().name()->string_view());
  if (ExitCode code = checkFolder(path); code != ExitCode::Done)
    return code;
  llvm::errs() << model.warnings;
  return reported(writeModelBytes(path, model.file.bytes()));
}

/// What the data must fit: of an ONNX model its file says it.
static spec::At<std::vector<int64_t>> inputShapeOf(mlir::ModuleOp module, const spec::Spec &spec) {
  if (spec.modelKind != spec::ModelKind::Onnx)
    return spec.inputShape;
  auto forward = module.lookupSymbol<mlir::func::FuncOp>("forward");
  return {nn::shapeOf(forward.getArgument(0)).drop_front().vec(), spec.onnxFile.mark};
}

/// -j: the context works with so many threads; none given, with one for each core that this process
/// may use. `threads` must outlive the context.
static void setJobs(std::optional<unsigned> jobs, mlir::MLIRContext &context,
                    std::unique_ptr<llvm::ThreadPoolInterface> &threads) {
  if (!jobs)
    return;
  context.disableMultithreading();
  if (*jobs == 1)
    return;
  llvm::ThreadPoolStrategy strategy = llvm::hardware_concurrency(*jobs);
  strategy.Limit = false; // so many were asked for
  threads = std::make_unique<llvm::DefaultThreadPool>(strategy);
  context.setThreadPool(*threads);
}

/// The phase that was asked for, else the last whose parameters the weights are.
static size_t phaseFor(llvm::ArrayRef<mlir::OwningOpRef<mlir::ModuleOp>> phases,
                       const CommandLine &line, const SafetensorsFile &weights) {
  for (size_t i = phases.size(); !line.phase && i-- > 0;) {
    mlir::ModuleOp module = phases[i].get();
    auto forward = module.lookupSymbol<mlir::func::FuncOp>("forward");
    if (compareTensors(weights, onnx::parametersOf(forward)).empty())
      return i;
  }
  return line.phase.value_or(phases.size()) - 1;
}

/// --emit=onnx.
static ExitCode writeOnnx(llvm::ArrayRef<mlir::OwningOpRef<mlir::ModuleOp>> phases,
                          const CommandLine &line, mlir::TimingScope &timing) {
  Expected<SafetensorsFile> weights = SafetensorsFile::open(line.weights);
  if (!weights)
    return reported(weights.takeError());
  mlir::ModuleOp module = *phases[phaseFor(phases, line, *weights)];
  if (failed(runPhases(module, Stage::Structure, line.targets.front(), timing)))
    return ExitCode::Internal;
  auto graph =
      onnx::exportForward(module, *weights, line.batch ? onnx::Batch::Fixed : onnx::Batch::Open);
  return reported(graph ? onnx::writeGraph(*graph, line.output) : Status(graph.takeError()));
}

/// --chosen-ranks.
static Status readChosenRanks(const std::string &path, spec::Spec &spec) {
  if (path.empty())
    return Status::ok();
  auto phases = readRankFile(path);
  if (!phases)
    return phases.takeError();
  spec.chosenRanks.resize(spec.phaseCount());
  for (const PhaseRanks &phase : *phases) {
    if (phase.phase > spec.phaseCount())
      return Error(ExitCode::Usage,
                   format("'%s' has ranks of phase %llu, and '%s' has %zu: it is of another run",
                          path.c_str(), (unsigned long long)phase.phase, spec.name.value.c_str(),
                          spec.phaseCount()));
    for (const ChosenRank &rank : phase.layers)
      spec.chosenRanks[phase.phase - 1][rank.layer] = rank.pays() ? int64_t(rank.rank) : 0;
  }
  return Status::ok();
}

static ExitCode translate(llvm::SourceMgr &sources, const CommandLine &line,
                          const CompilerCache &cache, mlir::TimingScope &timing) {
  std::unique_ptr<llvm::ThreadPoolInterface> threads;
  mlir::MLIRContext context;
  setJobs(line.jobs, context, threads);
  context.printOpOnDiagnostic(false);
  // The newest handler is asked first: what it takes, nobody prints. The oldest prints to a text.
  std::string warnings;
  llvm::raw_string_ostream recorded(warnings);
  mlir::SourceMgrDiagnosticHandler recorder(sources, &context, recorded);
  mlir::SourceMgrDiagnosticHandler diagnostics(sources, &context);
  mlir::ScopedDiagnosticHandler remarks(&context, [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Warning)
      recorder.emitDiagnostic(diagnostic.getLocation(), diagnostic.str(), diagnostic.getSeverity());
    bool isRemark = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Remark;
    return mlir::success(isRemark && !line.remarks);
  });

  mlir::TimingScope import = timing.nest("import the spec");
  mlir::FailureOr<spec::Spec> spec = spec::readSpec(sources, line.overrides, &context);
  if (failed(spec))
    return ExitCode::SpecInvalid;
  spec->train.ranks = line.ranks;
  if (Status status = readChosenRanks(line.chosenRanks, *spec); !status)
    return reported(std::move(status));
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> phases = importPhases(*spec, &context);
  if (phases.empty())
    return ExitCode::SpecInvalid;
  spec->inputShape = inputShapeOf(*phases.front(), *spec);
  import.stop();
  size_t phase = line.phase.value_or(phases.size());
  if (phase > phases.size())
    return usageError("--phase " + llvm::Twine(phase) + ": '" + spec->name.value + "' has " +
                      llvm::Twine(phases.size()) + (phases.size() == 1 ? " phase" : " phases"));
  if (line.printConfig)
    return writeText(line.output, spec->resolved);
  if (line.emit && std::holds_alternative<Format>(*line.emit))
    return writeOnnx(phases, line, timing);
  if (!line.emit)
    return failed(spec::checkDataFits(*spec, &context))
               ? ExitCode::SpecInvalid
               : compile(*spec, phases, line, cache, warnings, timing);

  std::string text;
  llvm::raw_string_ostream os(text);
  if (failed(emit(*phases[phase - 1], line, spec->name.value, os, timing)))
    return ExitCode::Internal;
  return writeText(line.output, text);
}

static ExitCode run(const CommandLine &line) {
  if (!line.manual.empty())
    return writeText(line.output, line.manual);
  if (line.printSchema)
    return writeText(line.output, spec::schemaAsJson() + "\n");

  if (line.emit && line.emit == Emission(Format::Weights))
    return reported(onnx::writeWeights(line.spec, line.output));
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(line.spec);
  if (!buffer) {
    ioError("cannot read the spec '" + line.spec + "'", buffer.getError());
    return ExitCode::SpecInvalid;
  }
  auto cache = CompilerCache::open(line, (*buffer)->getBuffer());
  if (!cache)
    return reported(cache.takeError());
  if (auto model = cache->find())
    return writeCached(*model, line);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*buffer), {});
  mlir::DefaultTimingManager times; // --mlir-timing: prints when it goes
  mlir::applyDefaultTimingManagerCLOptions(times);
  mlir::TimingScope timing = times.getRootScope();
  return translate(sources, line, *cache, timing);
}

int main(int argc, char **argv) {
  std::optional<CommandLine> line = parseCommandLine(argc, argv);
  return int(line ? run(*line) : ExitCode::Usage);
}
