// From an ONNX graph to the operations of @forward between input and logits, and to its weights.
#pragma once

#include "compiler/onnx/Graph.h"

#include "mlir/IR/Value.h"
#include "mlir/Support/LLVM.h"

namespace danaus::import {
class ModelContext;
}

namespace danaus::onnx {

/// A parameter of the imported function.
struct Weight {
  std::string name;
  const Tensor *tensor; ///< of the graph
  /// Its last two dimensions have changed places: the file has (in, out), we have (out, in).
  bool isSwapped = false;
};

/// Reads the file of `model: {kind: onnx}` and checks its interface; an error is emitted.
mlir::FailureOr<Graph> openGraph(const import::ModelContext &model);

/// The shape of one sample: of a graph that openGraph() returned.
std::vector<int64_t> sampleShape(const Graph &graph);

/// Builds the graph on `input` (batch, sample...) and returns the logits. Parameters are added in
/// the order of their first use, each with the name of its initializer, and told to `weights`.
mlir::FailureOr<mlir::Value> importGraph(import::ModelContext &model, const Graph &graph,
                                         mlir::Value input, std::vector<Weight> &weights);

/// The weights of an .onnx file under the names and in the layouts of the model that importing it
/// gives, as a safetensors file. CheckpointInvalid where the file cannot be imported.
Status writeWeights(const std::string &onnxFile, const std::string &path);

} // namespace danaus::onnx
