// What the parts of the ONNX exporter share: the graph under construction, names, and which
// dimension of a value is the batch. Private to compiler/onnx.
#pragma once

#include "compiler/onnx/Export.h"
#include "dialects/nn/NN.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace danaus::onnx {

/// A value of the graph. One dimension may be a multiple of the batch.
struct Exported {
  std::string name;
  llvm::SmallVector<int64_t> shape;
  std::optional<unsigned> batch; ///< which dimension; none: a weight
};

class Exporter {
public:
  Exporter(Graph &graph, Batch batch) : graph(graph), batchKind(batch) {}

  mlir::LogicalResult run(mlir::func::FuncOp forward, const SafetensorsFile &weights);

private:
  using Shape = llvm::SmallVector<int64_t>;
  using Result = mlir::FailureOr<Exported>;

  // Export.cpp
  mlir::LogicalResult exportArguments(mlir::func::FuncOp forward, const SafetensorsFile &weights);
  mlir::LogicalResult exportOp(mlir::Operation *op);
  const Exported &of(mlir::Value value) const { return values.find(value)->second; }

  // ExportOps.cpp
  Result exportMovement(mlir::Operation *op);
  Exported exportActivation(mlir::Operation *op);
  Exported exportAttention(nn::AttentionOp op);
  Exported exportLayerNorm(nn::LayerNormOp op);
  Exported gelu(const Exported &x);
  Exported geluTanh(const Exported &x);

  // ExportLinears.cpp
  Result exportProduct(mlir::Operation *op);
  Exported linear(const Exported &x, const Exported &weight, const Exported *bias);
  Result monarch(nn::MonarchLinearOp op);
  Result blockDiagonal(nn::BlockDiagonalLinearOp op);
  /// (rows, in) to (blocks, rows, in / blocks), the last block filled with zeros.
  Result blocksOf(const Exported &x, int64_t blocks, int64_t width);
  /// (rows, n) to (rows, out), and the bias.
  Exported finish(Exported y, int64_t out, mlir::Value bias);

  // Nodes. Each returns the node's result.
  Exported node(llvm::StringRef op, llvm::ArrayRef<std::string> inputs, Exported result,
                std::vector<Attribute> attributes = {});
  /// Element-wise: the result is like x.
  Exported same(llvm::StringRef op, const Exported &x, llvm::ArrayRef<std::string> inputs);
  Result reshape(const Exported &x, llvm::ArrayRef<int64_t> shape);
  Exported transpose(const Exported &x, llvm::ArrayRef<int64_t> permutation);
  Exported pad(const Exported &x, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> shape);
  Exported slice(const Exported &x, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> shape);
  Exported matMul(const Exported &a, const Exported &b);
  Exported add(const Exported &a, const Exported &b);
  /// Names of constants: equal ones are shared.
  std::string number(float value);
  std::string numbers(llvm::ArrayRef<int64_t> values);

  Graph &graph;
  Batch batchKind;
  int64_t batchSize = 1; ///< of the function
  llvm::DenseMap<mlir::Value, Exported> values;
  std::string layer = "model"; ///< of the operation at hand
  mlir::Operation *current = nullptr;
  llvm::StringMap<unsigned> counts; ///< of nodes, by layer and operator
  llvm::StringMap<std::string> constants;
};

} // namespace danaus::onnx
