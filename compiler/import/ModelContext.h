// What the parts of the importer share while a module is built: the place to insert at, parameters
// so far, the rules of `structure:`, limits, and how errors and locations are made. Private to
// compiler/import and compiler/onnx.
#pragma once

#include "compiler/import/Spec.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/GlobPattern.h"

namespace danaus::import {

/// No tensor may have more elements, so that every index fits 32 bits.
inline constexpr int64_t maxElements = int64_t(1) << 31;
/// No model may have more parameters (4 TiB of them).
inline constexpr int64_t maxParameters = int64_t(1) << 40;

/// How a parameter starts.
struct Init {
  llvm::StringRef kind = "zeros"; ///< zeros, ones, uniform, truncated_normal
  double scale = 0;               ///< the end of the uniform range, the normal's deviation
  /// U(-1/sqrt(n), 1/sqrt(n)), as PyTorch starts linears.
  static Init fanIn(int64_t n);
  static Init ones() { return {"ones", 0}; }
  /// Of mean 0, cut at two deviations (Dosovitskiy et al., 2021, arXiv 2010.11929).
  static Init truncatedNormal(double deviation) { return {"truncated_normal", deviation}; }
};

/// Which parameters the optimizer's weight decay pulls to 0: what has rank 2 or more (weights and
/// factors, but no biases and norms), or never.
enum class Decay { Matrices, Never };

/// One linear map.
struct LinearLayer {
  std::string name; ///< "blocks.0.attn.q": rules match it, and its parameters' names begin with it
  int64_t out;
  bool bias;
  spec::Mark mark;                             ///< of the layer
  spec::Mark outMark = {};                     ///< of what decides `out`
  llvm::SmallVector<int64_t> weightShape = {}; ///< of the dense weight; empty: (out, in)
};

/// One entry of `structure:` and whether its glob matched any linear layer.
struct Rule {
  const spec::Structure *structure;
  llvm::GlobPattern glob;
  bool matched = false;
};

class ModelContext {
public:
  /// Operations are appended to `body`, parameters become its arguments.
  ModelContext(const spec::Spec &spec, mlir::Block *body, mlir::MLIRContext *context)
      : spec(spec), builder(mlir::OpBuilder::atBlockEnd(body)), body(body), context(context) {}

  /// An error at the first of `marks` that was written.
  mlir::InFlightDiagnostic error(llvm::ArrayRef<spec::Mark> marks) const;
  mlir::InFlightDiagnostic error(spec::Mark mark) const { return error(llvm::ArrayRef(mark)); }
  mlir::Location locationOf(spec::Mark mark) const;
  /// NameLoc("hidden.0", file:line:column).
  mlir::Location locationOf(llvm::StringRef name, spec::Mark mark) const;

  /// The float32 tensor type of `shape`, or an error at the marks when it has too many elements;
  /// `what` begins the message.
  mlir::FailureOr<mlir::RankedTensorType> tensorOf(llvm::ArrayRef<int64_t> shape,
                                                   llvm::ArrayRef<spec::Mark> marks,
                                                   const llvm::Twine &what) const;

  /// Appends a parameter to the function's arguments.
  mlir::FailureOr<mlir::Value> addParameter(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape,
                                            Init init, spec::Mark mark,
                                            Decay decay = Decay::Matrices);
  /// Appends an argument with its nn.name and nn.role.
  mlir::Value addArgument(llvm::StringRef name, llvm::StringRef role, mlir::Type type,
                          mlir::Location location, mlir::NamedAttrList attributes = {});

  /// The function's arguments beside the parameters and the input.
  mlir::Value labels() const { return body->getArgument(1); }
  mlir::Value control() const { return body->getArgument(2); }

  const spec::Spec &spec;
  mlir::OpBuilder builder;
  mlir::Block *body;
  mlir::MLIRContext *context;
  llvm::SmallVector<mlir::DictionaryAttr> argumentAttributes;
  std::vector<Rule> rules;
  /// Full names of the linear layers, and of all layers with their marks.
  std::vector<std::string> linearNames;
  llvm::StringMap<spec::Mark> layerMarks;
  int64_t parameterCount = 0;
  /// Dropouts so far: each has its own stream of random numbers.
  int64_t dropoutCount = 0;
};

/// Every function below returns the layer's result, or failure after emitting why not.
using LayerResult = mlir::FailureOr<mlir::Value>;

/// A linear layer in the structure that the rules give it, and its activation (ImportLinear.cpp).
LayerResult importLinear(ModelContext &model, const spec::Layer &layer, llvm::StringRef name,
                         mlir::Value input);
/// The map alone, from (rows, in) to (rows, out).
LayerResult importLinearRows(ModelContext &model, const LinearLayer &layer, mlir::Value rows);
/// A layer written out from primitives (ImportOps.cpp).
LayerResult importOps(ModelContext &model, const spec::Layer &layer, llvm::StringRef name,
                      mlir::Value input);
/// From images to tokens and from tokens to vectors (ImportTokens.cpp).
LayerResult importTokenLayer(ModelContext &model, const spec::Layer &layer, llvm::StringRef name,
                             mlir::Value input);
/// What a transformer's or mixer's block is made of (ImportVision.cpp).
LayerResult importBlockLayer(ModelContext &model, const spec::Layer &layer, llvm::StringRef name,
                             mlir::Value input);

mlir::Value createActivation(ModelContext &model, mlir::Location location,
                             spec::Activation activation, mlir::Value input);
/// The same elements under another shape; nothing where it is the same.
mlir::Value createReshape(ModelContext &model, mlir::Location location, mlir::Value input,
                          llvm::ArrayRef<int64_t> shape);
/// (..., d) as (rows, d).
mlir::Value createRows(ModelContext &model, mlir::Location location, mlir::Value input);
mlir::Value createTranspose(ModelContext &model, mlir::Location location, mlir::Value input,
                            llvm::ArrayRef<int64_t> permutation);
/// Success where a sample has a dimension.
mlir::LogicalResult needsFeatures(ModelContext &model, const spec::Layer &layer,
                                  llvm::StringRef name, mlir::Value input);
/// Success where a sample is (tokens, d), so that `input` is (batch, tokens, d).
mlir::LogicalResult needsTokens(ModelContext &model, const spec::Layer &layer, llvm::StringRef name,
                                mlir::Value input);
/// "4 or 7": the divisors of `whole` nearest to `value`, which is none.
std::string nearestDivisors(int64_t whole, int64_t value);

/// Compiles the globs of `structure:`.
mlir::LogicalResult prepareRules(ModelContext &model);
/// After all layers: every rule must have matched one.
mlir::LogicalResult checkRules(const ModelContext &model);

} // namespace danaus::import
