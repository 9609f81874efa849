// The reader's way from text to Spec: parse, override, check against the schema, print the resolved
// form; and problems turned into diagnostics at the end.
#include "compiler/import/ReadSpec.h"
#include "compiler/import/Overrides.h"
#include "compiler/import/Schema.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <tuple>

using llvm::StringRef;

namespace danaus::spec {
namespace {

constexpr char commandLine[] = "command line";

/// The nearest place that exists: parsers like to point behind the end of the text.
Mark clamp(Mark mark, StringRef text) {
  llvm::SmallVector<StringRef> lines;
  text.rtrim("\r\n \t").split(lines, '\n');
  mark.line = std::max(mark.line, 1u);
  if (mark.line > lines.size())
    return {unsigned(lines.size()), unsigned(lines.back().size()) + 1, mark.onCommandLine};
  size_t columns = lines[mark.line - 1].rtrim('\r').size() + 1;
  mark.column = std::clamp(mark.column, 1u, unsigned(columns));
  return mark;
}

struct Emitter {
  mlir::MLIRContext *context;
  StringRef file, text, overrides;

  mlir::Location location(Mark mark) const {
    mark = clamp(mark, mark.onCommandLine ? overrides : text);
    return mlir::FileLineColLoc::get(context, mark.onCommandLine ? StringRef(commandLine) : file,
                                     mark.line, mark.column);
  }

  void emit(const Problems &problems) const {
    std::vector<const Problem *> sorted;
    for (const Problem &problem : problems.kept())
      sorted.push_back(&problem);
    auto place = [](const Problem *p) { // by place, then in the order found
      return std::tuple(p->mark.onCommandLine, p->mark.line, p->mark.column, p);
    };
    std::sort(sorted.begin(), sorted.end(),
              [&](const Problem *a, const Problem *b) { return place(a) < place(b); });
    for (const Problem *problem : sorted) {
      mlir::InFlightDiagnostic error = mlir::emitError(location(problem->mark)) << problem->text;
      if (problem->noteMark.written())
        error.attachNote(location(problem->noteMark)) << problem->note;
      if (problem == sorted.back() && problems.count() > sorted.size())
        error.attachNote(location(problem->mark))
            << problems.count() - sorted.size() << " more errors are not shown";
    }
  }
};

std::string folderOf(StringRef file) {
  return file == "-" || file == "<stdin>" ? "" : llvm::sys::path::parent_path(file).str();
}

} // namespace

Spec Spec::ofPhase(size_t index) const {
  Spec result = *this;
  if (!train.phases.empty() && train.phases[index].structure)
    result.structure = *train.phases[index].structure;
  result.train.phases.clear();
  result.chosenRanks.clear();
  if (index < chosenRanks.size())
    result.chosenRanks.push_back(chosenRanks[index]);
  return result;
}

bool Spec::choosesRanks() const {
  auto isOpen = [](const Structure &rule) { return rule.rankByWeights.has_value(); };
  return std::ranges::any_of(structure, isOpen);
}

mlir::FailureOr<Spec> readSpec(llvm::SourceMgr &sources, llvm::ArrayRef<std::string> overrides,
                               mlir::MLIRContext *context) {
  llvm::MemoryBufferRef main = *sources.getMemoryBuffer(sources.getMainFileID());
  std::string file = main.getBufferIdentifier().str();
  std::string lines = overrideLines(overrides);
  if (!overrides.empty())
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(lines, commandLine), {});

  Problems problems;
  Spec spec;
  if (std::optional<Node> root = parseYaml(main.getBuffer(), {1, 1}, problems)) {
    for (size_t i = 0; i < overrides.size(); ++i)
      applyOverride(overrides[i], i, *root, problems);
    Schema schema;
    Reader reader(problems, folderOf(file));
    schema.root().readAny(*root, &spec, reader);
    spec.train.mixesLabels =
        spec.data.find(AugmentKind::Mixup) || spec.data.find(AugmentKind::Cutmix);
    for (int64_t sum = 0; const Phase &phase : spec.train.phases)
      spec.train.epochs.value = sum += phase.epochs;
    if (spec.train.init.value.empty())
      spec.train.init.value = spec.onnxFile.value;
    if (problems.empty())
      spec.resolved = printYaml(schema.root().printAny(&spec));
  }
  spec.file = file;
  if (problems.empty())
    return spec;
  Emitter{context, file, main.getBuffer(), lines}.emit(problems);
  return mlir::failure();
}

mlir::FailureOr<Spec> readSpecFile(StringRef path, llvm::SourceMgr &sources,
                                   llvm::ArrayRef<std::string> overrides,
                                   mlir::MLIRContext *context) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (!buffer) {
    mlir::emitError(mlir::FileLineColLoc::get(context, path, 0, 0))
        << "cannot read the spec: " << buffer.getError().message();
    return mlir::failure();
  }
  sources.AddNewSourceBuffer(std::move(*buffer), {});
  return readSpec(sources, overrides, context);
}

mlir::Location locationOf(const Spec &spec, Mark mark, mlir::MLIRContext *context) {
  if (!mark.written())
    return mlir::UnknownLoc::get(context);
  return mlir::FileLineColLoc::get(
      context, mark.onCommandLine ? StringRef(commandLine) : StringRef(spec.file), mark.line,
      mark.column);
}

} // namespace danaus::spec
