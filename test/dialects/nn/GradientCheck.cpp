// The walk backwards, and central differences.
#include "test/dialects/nn/GradientCheck.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

/// Gradients of values so far; a value used twice gets the sum.
class Gradients {
public:
  void add(OpBuilder &builder, Value value, Value gradient) {
    Value &sum = gradients[value];
    sum =
        sum ? nn::AddOp::create(builder, value.getLoc(), value.getType(), sum, gradient).getResult()
            : gradient;
  }
  Value lookup(Value value) const { return gradients.lookup(value); }

private:
  llvm::DenseMap<Value, Value> gradients;
};

LogicalResult differentiate(Operation *op, OpBuilder &builder, Gradients &gradients) {
  SmallVector<Value> results;
  for (Value result : op->getResults())
    results.push_back(gradients.lookup(result));
  if (llvm::none_of(results, [](Value gradient) { return bool(gradient); }))
    return success();
  auto differentiable = dyn_cast<nn::DifferentiableOpInterface>(op);
  if (!differentiable)
    return op->emitOpError() << "has no gradient";
  SmallVector<Value> operands(op->getNumOperands());
  differentiable.buildBackward(builder, results, llvm::BitVector(op->getNumOperands(), true),
                               operands);
  for (auto [operand, gradient] : llvm::zip_equal(op->getOperands(), operands))
    if (gradient)
      gradients.add(builder, operand, gradient);
  return success();
}

/// sum(results * seeds).
FailureOr<double> weightedSum(func::FuncOp function, ArrayRef<Tensor> arguments,
                              ArrayRef<Tensor> seeds) {
  FailureOr<SmallVector<Tensor>> results = interpret(function, arguments);
  if (failed(results))
    return failure();
  double sum = 0;
  for (auto [result, seed] : llvm::zip_equal(*results, seeds))
    for (auto [value, weight] : llvm::zip_equal(result.data, seed.data))
      sum += value * weight;
  return sum;
}

FailureOr<double> centralDifference(func::FuncOp function, SmallVector<Tensor> arguments,
                                    ArrayRef<Tensor> seeds, unsigned argument, int64_t element) {
  constexpr double Step = 1e-5;
  double &value = arguments[argument].data[element];
  double middle = value;
  value = middle + Step;
  FailureOr<double> above = weightedSum(function, arguments, seeds);
  value = middle - Step;
  FailureOr<double> below = weightedSum(function, arguments, seeds);
  if (failed(above) || failed(below))
    return failure();
  return (*above - *below) / (2 * Step);
}

} // namespace

FailureOr<func::FuncOp> test::buildGradient(func::FuncOp function,
                                            ArrayRef<unsigned> differentiated) {
  OpBuilder builder(function);
  auto gradient = cast<func::FuncOp>(builder.clone(*function));
  gradient.setName("gradient");
  Block &body = gradient.getBody().front();
  Operation *exit = body.getTerminator();
  SmallVector<Operation *> forward;
  for (Operation &op : body.without_terminator())
    forward.push_back(&op);
  builder.setInsertionPoint(exit);
  Gradients gradients;
  for (Value result : exit->getOperands())
    gradients.add(builder, result, body.addArgument(result.getType(), result.getLoc()));
  for (Operation *op : llvm::reverse(forward))
    if (failed(differentiate(op, builder, gradients)))
      return failure();
  SmallVector<Value> results;
  for (unsigned argument : differentiated) {
    results.push_back(gradients.lookup(body.getArgument(argument)));
    if (!results.back())
      return gradient.emitError() << "argument " << argument << " gets no gradient";
  }
  exit->setOperands(results);
  gradient.setType(
      builder.getFunctionType(body.getArgumentTypes(), ValueRange(results).getTypes()));
  return gradient;
}

FailureOr<double> test::gradientError(func::FuncOp original, func::FuncOp function,
                                      ArrayRef<unsigned> differentiated, ArrayRef<Tensor> arguments,
                                      ArrayRef<Tensor> seeds) {
  FailureOr<func::FuncOp> gradient = buildGradient(function, differentiated);
  if (failed(gradient))
    return failure();
  SmallVector<Tensor> inputs(arguments);
  inputs.append(seeds.begin(), seeds.end());
  FailureOr<SmallVector<Tensor>> computed = interpret(*gradient, inputs);
  if (failed(computed))
    return failure();
  double largest = 0;
  for (auto [argument, result] : llvm::zip_equal(differentiated, *computed))
    for (int64_t i = 0; i < result.size(); ++i) {
      auto expected =
          centralDifference(original, SmallVector<Tensor>(arguments), seeds, argument, i);
      if (failed(expected))
        return failure();
      double error = std::fabs(result.data[i] - *expected) / std::fmax(1, std::fabs(*expected));
      if (!(error <= largest))
        largest = std::isnan(error) ? INFINITY : error;
    }
  return largest;
}
