// What the parts of the ONNX importer share: what is known of each name, parameters, errors. One
// member function an operator; Import.cpp lists them. Private to compiler/onnx.
#pragma once

#include "compiler/import/ModelContext.h"
#include "compiler/onnx/Formula.h"
#include "compiler/onnx/Import.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <optional>

namespace danaus::onnx {

/// A tensor of integers that is known while importing: shapes, paddings, ranges.
struct Integers {
  std::vector<int64_t> shape, values;
};

/// scale * q k for q (..., tokens, d) and k (..., d, tokens), or the softmax of that: a product of
/// two values of the graph, which becomes attention where it meets a third.
struct Scores {
  mlir::Value query, key;
  double scale = 1;
  bool areShares = false; ///< after the softmax
};

/// What is known of one name of the graph; exactly one of the members is there.
struct Known {
  mlir::Value value = {};
  const Tensor *tensor = nullptr; ///< floats that no node has taken yet
  std::optional<Integers> integers = {};
  std::optional<Formula> formula = {};
  std::optional<Scores> scores = {};
  /// A parameter (1, ...), repeated over the batch by Expand.
  mlir::Value repeated = {};
};

class Importer {
public:
  Importer(import::ModelContext &model, const Graph &graph, std::vector<Weight> &weights)
      : model(model), graph(graph), weights(weights) {}

  mlir::FailureOr<mlir::Value> run(mlir::Value input);

private:
  using Shape = llvm::SmallVector<int64_t>;
  struct Operator;
  static llvm::ArrayRef<Operator> operators();

  // Import.cpp
  void prepareInitializers();
  mlir::LogicalResult importNode(const Node &node);
  mlir::LogicalResult checkNode(const Node &node, const Operator &op) const;
  mlir::FailureOr<mlir::Value> parameter(const Tensor &tensor);
  mlir::InFlightDiagnostic error(const Node &node) const;
  mlir::Location locationOf(const Node &node) const;
  bool has(const Node &node, size_t index) const;
  const Known &known(const Node &node, size_t index) const;
  /// The tensor; an error where it is known as integers or an unfinished formula.
  mlir::FailureOr<mlir::Value> value(const Node &node, size_t index);
  /// An error where they are not known while importing.
  mlir::FailureOr<Integers> integers(const Node &node, size_t index) const;
  void give(const Node &node, Known result);
  /// Computed from parameters alone.
  bool isWeight(mlir::Value value);
  bool isKnownWeight(mlir::Value value) const;
  /// Counted from the end where negative.
  mlir::FailureOr<int64_t> axis(const Node &node, int64_t written, size_t rank) const;

  // ImportConstants.cpp: what is computed while importing.
  /// An operator that fold() alone knows, where it did not.
  mlir::LogicalResult importFolded(const Node &node);
  mlir::LogicalResult importConstant(const Node &node);
  mlir::LogicalResult importShapeOf(const Node &node);
  mlir::LogicalResult importConstantOfShape(const Node &node);
  mlir::LogicalResult importCast(const Node &node);
  /// What the node computes of integers; none where it has other inputs, or is not known here.
  std::optional<Integers> fold(const Node &node) const;

  // ImportMovement.cpp
  mlir::LogicalResult importIdentity(const Node &node);
  mlir::LogicalResult importReshape(const Node &node);
  mlir::LogicalResult importFlatten(const Node &node);
  mlir::LogicalResult importSqueeze(const Node &node);
  mlir::LogicalResult importUnsqueeze(const Node &node);
  mlir::LogicalResult importTranspose(const Node &node);
  mlir::LogicalResult importPad(const Node &node);
  mlir::LogicalResult importSlice(const Node &node);

  // ImportPieces.cpp
  mlir::LogicalResult importGather(const Node &node);
  mlir::LogicalResult importSplit(const Node &node);
  mlir::LogicalResult importExpand(const Node &node);
  mlir::LogicalResult importConcat(const Node &node);
  struct Part {
    mlir::Value value;
    bool isRepeated; ///< over the batch, which is its first dimension
  };
  mlir::FailureOr<mlir::Value> join(const Node &node, llvm::ArrayRef<Part> parts, size_t place,
                                    llvm::ArrayRef<int64_t> whole);
  // ImportMovement.cpp: what all parts use.
  /// The numbers of an input, or before opset 13 of an attribute; none where neither is there.
  mlir::FailureOr<std::optional<std::vector<int64_t>>> numbers(const Node &node, size_t index,
                                                               llvm::StringRef attribute) const;
  mlir::Value reshape(const Node &node, mlir::Value input, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(const Node &node, mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  mlir::Value slice(const Node &node, mlir::Value input, llvm::ArrayRef<int64_t> low,
                    llvm::ArrayRef<int64_t> shape);
  mlir::FailureOr<mlir::Value> pad(const Node &node, mlir::Value input, llvm::ArrayRef<int64_t> low,
                                   llvm::ArrayRef<int64_t> shape);

  // ImportProducts.cpp
  mlir::LogicalResult importGemm(const Node &node);
  mlir::LogicalResult importMatMul(const Node &node);
  mlir::LogicalResult importEinsum(const Node &node);
  mlir::LogicalResult importConv(const Node &node);
  /// (..., m, k) times (k, n) or (b..., k, n) with b... the last batch dimensions of the left side.
  mlir::FailureOr<mlir::Value> product(const Node &node, mlir::Value lhs, mlir::Value rhs);
  /// (m, k) x (k, n), or with blocks (b, m, k) x (b, k, n). A weight stands on the right: where it
  /// is the left side, the product is built transposed.
  mlir::FailureOr<mlir::Value> rawProduct(const Node &node, mlir::Value lhs, mlir::Value rhs);

  // ImportAttention.cpp
  mlir::LogicalResult importSoftmax(const Node &node);
  mlir::LogicalResult importAttention(const Node &node);
  /// The scores that the node multiplies by a number, or divides.
  mlir::LogicalResult scaleScores(const Node &node);
  /// Starts scores where the node multiplies two values of the graph, none of them a weight, with
  /// equal leading dimensions; nothing otherwise.
  std::optional<Scores> scoresOf(const Node &node);

  // ImportElementwise.cpp
  mlir::LogicalResult importAdd(const Node &node);
  mlir::LogicalResult importArithmetic(const Node &node);
  mlir::LogicalResult importSqrt(const Node &node);
  mlir::LogicalResult importErf(const Node &node);
  mlir::LogicalResult importRelu(const Node &node);
  mlir::LogicalResult importGelu(const Node &node);
  mlir::LogicalResult importLayerNorm(const Node &node);
  mlir::LogicalResult importReduceMean(const Node &node);
  mlir::FailureOr<mlir::Value> add(const Node &node, mlir::Value lhs, mlir::Value rhs);
  mlir::FailureOr<Formula> formula(const Node &node, size_t index);
  mlir::LogicalResult giveFormula(const Node &node, const std::optional<Formula> &formula);

  import::ModelContext &model;
  const Graph &graph;
  std::vector<Weight> &weights;
  llvm::StringMap<Known> names;
  /// Initializers whose last two dimensions are stored exchanged, and those that a node of this
  /// name multiplies by.
  llvm::StringSet<> swapped;
  llvm::StringMap<std::string> users;
  llvm::StringSet<> taken; ///< names of parameters
  llvm::DenseSet<mlir::Operation *> weightOps;
  mlir::Operation *lastSeen = nullptr; ///< by isWeight()
};

/// "/hidden/hidden.0/up/MatMul" to "hidden.0.up": the module that PyTorch's exporter names.
std::string modulePath(llvm::StringRef node);
/// A parameter's name from an initializer's: letters, digits, '_', '-' and '.'.
std::string parameterName(llvm::StringRef initializer, llvm::StringRef user);
/// What the layer is called: by the module, else by the weight (`weight` may be empty), else by the
/// node.
std::string layerName(const Node &node, llvm::StringRef weight);

} // namespace danaus::onnx
