// From YAML text to a checked spec::Spec, and the printed forms of the schema. This is the whole
// interface of the reader (target danaus_spec): it knows MLIR's diagnostics but no dialect.
#pragma once

#include "compiler/import/Spec.h"

#include "mlir/IR/Location.h"
#include "mlir/Support/LLVM.h"
#include "llvm/Support/SourceMgr.h"

#include <string>

namespace danaus::spec {

/// Reads the main buffer of `sources` as a model spec; the buffer's identifier is the file's name.
/// `overrides` are "path.to.key=value" from the command line, applied in order (the last one wins);
/// they are added to `sources` as a buffer called "command line", one a line.
///
/// Every problem (up to 20) is emitted as an error at its FileLineColLoc, so that an
/// mlir::SourceMgrDiagnosticHandler on `sources` prints file, line, column, the line and a caret.
/// On success every value is in range, defaults are filled in and `resolved` is written.
mlir::FailureOr<Spec> readSpec(llvm::SourceMgr &sources, llvm::ArrayRef<std::string> overrides,
                               mlir::MLIRContext *context);

/// Opens `path` ("-" is standard input), adds it to `sources` (which must be empty) and reads it.
mlir::FailureOr<Spec> readSpecFile(llvm::StringRef path, llvm::SourceMgr &sources,
                                   llvm::ArrayRef<std::string> overrides,
                                   mlir::MLIRContext *context);

/// Whether the model takes the images that `data` gives, where their sizes are known without
/// reading them; an error at model.input.shape if not. Asked before a binary is made: the stages of
/// the compiler can be looked at for any shape.
mlir::LogicalResult checkDataFits(const Spec &spec, mlir::MLIRContext *context);

/// The location of a mark of this spec: in its file, on the command line, or unknown (a default).
mlir::Location locationOf(const Spec &spec, Mark mark, mlir::MLIRContext *context);

/// The schema as JSON Schema (draft 2020-12) for editors: danausc --print-schema.
std::string schemaAsJson();

/// The schema as the reference page docs/Spec.md.
std::string schemaAsMarkdown();

} // namespace danaus::spec
