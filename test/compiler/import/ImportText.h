// Imports a spec from a text as danausc does, and keeps what it would print on stderr.
#pragma once

#include "ReadText.h"

#include "compiler/import/ImportModel.h"

namespace danaus::spec {

/// What is printed when `text` is read and imported; empty: it was imported.
inline std::string importMessages(const std::string &text,
                                  std::vector<std::string> overrides = {}) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "bad.yaml"), {});
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  mlir::SourceMgrDiagnosticHandler handler(sources, &context, stream);
  mlir::FailureOr<Spec> spec = readSpec(sources, overrides, &context);
  bool imported = succeeded(spec) && !importPhases(*spec, &context).empty();
  return imported == messages.empty() ? messages : "the result contradicts:\n" + messages;
}

} // namespace danaus::spec
