// From an nn module to an ONNX graph with weights.
#pragma once

#include "compiler/onnx/Graph.h"
#include "runtime/safetensors/Safetensors.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace danaus::onnx {

enum class Batch { Open, Fixed };

/// The tensors that the function's parameters need.
std::vector<TensorRef> parametersOf(mlir::func::FuncOp forward);

/// The graph from the images to the logits of @forward, at Stage::Structure, for inference: no loss
/// and no dropout. Parameters become initializers of the same names with the values in `weights`,
/// which must have exactly these. With Batch::Open the first dimension is called "batch" and may
/// have any size; else it is that of the function. Errors of the IR are emitted.
Expected<Graph> exportForward(mlir::ModuleOp module, const SafetensorsFile &weights, Batch batch);

} // namespace danaus::onnx
