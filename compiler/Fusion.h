// What was fused and why not more: one table for `danausc --emit=fusion`, as text, JSON and a
// graph, and for the model binary. Knows the kernels of a step and their names in the plan.
#pragma once

#include "compiler/Compiler.h"

#include <cstdint>
#include <string>
#include <vector>

namespace danaus {

/// A kernel reads what another one makes, in the same step.
struct FusionNeighbour {
  size_t from;        ///< index into FusionStep.kernels
  int64_t bytes = 0;  ///< of the one's results that the other reads, perhaps packed on the way
  std::string reason; ///< why the two are not one, said of the reader: "sums over rows"
};

/// One launch of a step.
struct FusionKernel {
  std::string name;      ///< as in `danaus profile`: "chain_3"; of several launches the same
  std::string operation; ///< "chain", "contract", ...
  std::vector<std::string> covers; ///< what it was fused from, in order: "contract+bias+gelu"
  size_t operations = 0;           ///< in all of `covers`
  int64_t bytesSaved = 0;      ///< a step moves so many more bytes with a kernel for each operation
  std::vector<unsigned> lines; ///< of the spec
  std::vector<std::string> layers; ///< "blocks.0.attn.q"
  std::vector<FusionNeighbour> neighbours;
  bool isPreparation = false; ///< made after all fusing: packs an operand, adds up partial sums
};

struct FusionStep {
  std::string name;                  ///< "train_step", "gradient_step", "update_step", "eval_step"
  std::vector<FusionKernel> kernels; ///< in an order in which they may run
};

using Fusion = std::vector<FusionStep>;

/// Brings a module from any stage before Fused to Stage::Plan and tells what was fused on the way;
/// diagnostics are emitted.
mlir::FailureOr<Fusion> planAndDescribeFusion(mlir::ModuleOp module, const Target &target,
                                              mlir::TimingScope &timing);

/// A step's kernels by name: the launches of one kernel are one row.
struct FusionRow {
  std::string name, operation;
  std::vector<std::string> covers; ///< of one launch
  size_t operations = 0;           ///< in all of `covers`
  std::vector<size_t> launches;    ///< indices into FusionStep.kernels
  int64_t bytesSaved = 0;          ///< by all launches
  std::vector<unsigned> lines;
  std::vector<std::string> layers;
  /// Name of a kernel that it reads from, and the reason; each pair once, in order.
  std::vector<std::pair<std::string, std::string>> apart;
};
std::vector<FusionRow> rowsOf(const FusionStep &step);
/// Of some of the step's launches.
std::vector<FusionRow> rowsOf(const FusionStep &step, llvm::ArrayRef<size_t> launches);

/// A table: a row for each kernel, and under it, indented, its neighbours.
std::string fusionAsText(const Fusion &fusion);

/// {"functions": [{"name": "train_step", "kernels": [{"name", "operation", "operations": count,
/// "covers": [...], "launches", "bytes_saved", "lines": [...], "layers": [...],
/// "apart": [{"from", "reason"}]}]}]}, ended by a newline.
std::string fusionAsJson(const Fusion &fusion);

/// The first step that trains as a graph: kernels from top to bottom, forward on the left, backward
/// on the right, repeated blocks once.
std::string fusionAsSvg(const Fusion &fusion, llvm::StringRef title);

} // namespace danaus
