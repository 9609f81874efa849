// Kernel operations as functions of their own.
#include "compiler/lower/Outline.h"

#include "compiler/lower/FusionRecord.h"
#include "dialects/plan/Plan.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace danaus;

namespace {

/// A private function with these arguments, its body empty, outside of any module.
func::FuncOp emptyFunction(Location loc, TypeRange arguments, TypeRange results) {
  OpBuilder builder(loc.getContext());
  auto function = func::FuncOp::create(loc, "kernel", builder.getFunctionType(arguments, results));
  function.setPrivate();
  function.addEntryBlock();
  return function;
}

} // namespace

OutlinedKernel Outliner::outline(Operation *op) {
  OutlinedKernel kernel;
  llvm::SetVector<Value> captured(op->getOperands().begin(), op->getOperands().end());
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  kernel.operands = captured.takeVector();
  kernel.results = llvm::to_vector_of<Value>(op->getResults());
  auto function =
      emptyFunction(op->getLoc(), TypeRange(ValueRange(kernel.operands)), op->getResultTypes());
  auto builder = OpBuilder::atBlockEnd(&function.front());
  IRMapping mapping;
  mapping.map(kernel.operands, function.getArguments());
  Operation *copy = builder.clone(*op, mapping);
  eraseRecords(copy);
  func::ReturnOp::create(builder, op->getLoc(), copy->getResults());
  kernel.function = intern(function, op->getName().stripDialect());
  return kernel;
}

OutlinedKernel Outliner::outlineNorm(kernel::SquareNormOp norm, Value gradient, int64_t elements,
                                     int64_t parts) {
  auto number = Float32Type::get(norm.getContext());
  Type flat = RankedTensorType::get({elements}, number);
  Type sums = RankedTensorType::get({parts}, number);
  auto function = emptyFunction(norm.getLoc(), flat, sums);
  auto builder = OpBuilder::atBlockEnd(&function.front());
  auto copy = kernel::SquareNormOp::create(builder, norm.getLoc(), sums, function.getArguments());
  func::ReturnOp::create(builder, norm.getLoc(), copy.getResult());
  return {intern(function, "square_norm"), {gradient}, {norm.getResult()}};
}

OutlinedKernel Outliner::outlineUpdate(kernel::UpdateOp update, size_t first, int64_t elements) {
  OutlinedKernel kernel;
  auto flat = RankedTensorType::get({elements}, Float32Type::get(update.getContext()));
  SmallVector<Type> types;
  auto take = [&](Value value, Type type) {
    kernel.operands.push_back(value);
    types.push_back(type);
  };
  size_t count = update.getParameters().size();
  unsigned states = update.getNumStates();
  take(update.getParameters()[first], flat);
  take(update.getGradients()[first], flat);
  for (unsigned s = 0; s < states; ++s)
    take(update.getStates()[s * count + first], flat);
  take(update.getControl(), update.getControl().getType());
  take(update.getMetrics(), update.getMetrics().getType());
  SmallVector<Type> resultTypes(1 + states, flat);
  for (unsigned s = 0; s <= states; ++s)
    kernel.results.push_back(update.getResult(s * count + first));
  auto function = emptyFunction(update.getLoc(), types, resultTypes);
  auto builder = OpBuilder::atBlockEnd(&function.front());
  ArrayRef<BlockArgument> args = function.getArguments();
  auto copy = kernel::UpdateOp::create(
      builder, update.getLoc(), resultTypes, ValueRange(args.take_front(1)),
      ValueRange(args.slice(1, 1)), ValueRange(args.slice(2, states)), args[2 + states],
      args[3 + states], update.getControlIndices(), update.getMetricsIndices());
  IRMapping mapping;
  update.getBody().cloneInto(&copy.getBody(), mapping);
  func::ReturnOp::create(builder, update.getLoc(), copy.getResults());
  kernel.function = intern(function, "update");
  return kernel;
}

func::FuncOp Outliner::intern(func::FuncOp function, StringRef kind) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  function.print(stream, OpPrintingFlags().useLocalScope());
  func::FuncOp &known = this->known[text];
  if (known) {
    function.erase();
    return known;
  }
  OpBuilder builder(function.getContext());
  function.setName((kind + "_" + Twine(counters[kind]++)).str());
  function->setAttr(plan::KindAttr, builder.getStringAttr(kind));
  module.push_back(function);
  return known = function;
}
