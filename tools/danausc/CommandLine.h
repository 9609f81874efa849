// The command line of danausc, checked: what to compile, for what, and what to print.
#pragma once

#include "compiler/Compiler.h"

#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace danaus {

/// What --emit names: a stage, a table, or another format of the model or of its weights.
enum class Table { Fusion, Summary };
enum class Format { Onnx, Weights };
/// How --emit=fusion is written.
enum class Form { Text, Json, Svg };
using Emission = std::variant<Stage, Table, Format>;

struct CommandLine {
  std::string spec;                   ///< "-": standard input
  std::vector<std::string> overrides; ///< "train.epochs=3"
  std::string output;                 ///< empty: where the kind of output goes by default
  std::vector<Target> targets;        ///< at least one
  std::optional<Emission> emit;       ///< none: a model binary
  Form form = Form::Text;             ///< of emit=fusion
  std::optional<unsigned> phase;      ///< of emit, from 1; none: the last
  unsigned ranks = 1;                 ///< processes that share a batch
  std::string chosenRanks;            ///< ranks.json of a run; empty: none
  std::optional<unsigned> jobs;       ///< at least 1; none: one a core
  std::string weights;                ///< of emit=onnx: a safetensors file
  std::optional<unsigned> batch;      ///< of emit=onnx, from 1; none: open
  bool printConfig = false, printSchema = false;
  std::string manual;   ///< to print instead of all else: --man
  bool remarks = false; ///< print what the passes tell about their decisions
  /// A model is asked for, and nothing that only a compilation tells (--remarks, --mlir-timing).
  bool usesCache = true;
};

/// None after printing to stderr what is wrong: exit code 2. --help and --version end the program
/// here (LLVM's parser does that).
std::optional<CommandLine> parseCommandLine(int argc, char **argv);

/// "cpu:avx512,cpu:baseline" to targets, appended; an error is returned as text.
std::optional<std::string> parseTargets(llvm::StringRef text, std::vector<Target> &targets);

} // namespace danaus
