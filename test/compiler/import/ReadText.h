// Reads a spec from a text as danausc does, and keeps what it would print on stderr.
#pragma once

#include "compiler/import/ReadSpec.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace danaus::spec {

struct ReadResult {
  mlir::FailureOr<Spec> spec;
  std::string messages;
};

inline ReadResult readText(llvm::StringRef text, std::vector<std::string> overrides = {},
                           llvm::StringRef file = "bad.yaml") {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, file), {});
  ReadResult result{mlir::failure(), ""};
  llvm::raw_string_ostream stream(result.messages);
  mlir::SourceMgrDiagnosticHandler handler(sources, &context, stream);
  result.spec = readSpec(sources, overrides, &context);
  return result;
}

/// A small good spec with its `line`th line (from 1) replaced by `text`, or `text` after it where
/// `line` is 7; 0: `text` alone. `expected` is all that is printed.
struct MessageCase {
  const char *name;
  int line;
  const char *text;
  const char *expected;

  std::string spec() const {
    if (line == 0)
      return text;
    std::vector<std::string> lines = {"name: m",
                                      "model:",
                                      "  input: {shape: [4]}",
                                      "  layers:",
                                      "    - linear: {out: 2}",
                                      "data: {name: mnist}"};
    lines.resize(std::max<size_t>(lines.size(), line));
    lines[line - 1] = text;
    std::string all;
    for (const std::string &each : lines)
      all += each + "\n";
    return all;
  }
};

inline std::ostream &operator<<(std::ostream &stream, const MessageCase &message) {
  return stream << message.name;
}

inline std::string fileText(const std::string &path) {
  std::ifstream stream(std::string(DANAUS_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

} // namespace danaus::spec
