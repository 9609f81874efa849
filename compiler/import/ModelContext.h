// What the parts of the importer share while a module is built: the place to insert at, parameters
// so far, the rules of `structure:`, limits, and how errors and locations are made. Private to
// compiler/import.
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

/// How a parameter starts: uniform in [-scale, scale], or zeros where scale is 0.
struct Init {
  double scale = 0;
  /// U(-1/sqrt(n), 1/sqrt(n)), as PyTorch starts linears.
  static Init fanIn(int64_t n);
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
                                            Init init, spec::Mark mark);
  /// Appends an argument with its nn.name and nn.role.
  mlir::Value addArgument(llvm::StringRef name, llvm::StringRef role, mlir::Type type,
                          mlir::Location location, mlir::NamedAttrList attributes = {});

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
};

/// Every function below returns the layer's result, or failure after emitting why not.

/// A linear layer in the structure that the rules give it, and its activation (ImportLinear.cpp).
mlir::FailureOr<mlir::Value> importLinear(ModelContext &model, const spec::Layer &layer,
                                          llvm::StringRef name, mlir::Value input);
/// A layer written out from primitives (ImportOps.cpp).
mlir::FailureOr<mlir::Value> importOps(ModelContext &model, const spec::Layer &layer,
                                       llvm::StringRef name, mlir::Value input);
mlir::Value createActivation(ModelContext &model, mlir::Location location,
                             spec::Activation activation, mlir::Value input);

/// Compiles the globs of `structure:`.
mlir::LogicalResult prepareRules(ModelContext &model);
/// After all layers: every rule must have matched one.
mlir::LogicalResult checkRules(const ModelContext &model);

} // namespace danaus::import
