// The walk over a function's body, and the tensors it works on.
#include "test/lib/reference/Evaluate.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

Tensor::Tensor(ArrayRef<int64_t> shape) : shape(shape) {
  data.resize(ShapedType::getNumElements(shape));
}

Tensor::Tensor(ArrayRef<int64_t> shape, std::vector<double> values)
    : shape(shape), data(std::move(values)) {
  assert(int64_t(data.size()) == ShapedType::getNumElements(shape) && "values do not fill shape");
}

int64_t reference::offsetOf(ArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  int64_t offset = 0;
  for (auto [i, size] : llvm::zip_equal(index, shape))
    offset = offset * size + i;
  return offset;
}

void reference::forEachIndex(ArrayRef<int64_t> shape,
                             llvm::function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(shape, 0))
    return;
  SmallVector<int64_t> index(shape.size());
  while (true) {
    visit(index);
    unsigned dim = shape.size();
    while (dim > 0 && ++index[dim - 1] == shape[dim - 1])
      index[--dim] = 0;
    if (dim == 0)
      return;
  }
}

static LogicalResult evaluate(Operation *op, Values &values) {
  for (auto family : {evaluateShape, evaluateElementwise, evaluateProduct, evaluateNorm,
                      evaluateAttention, evaluateTokens, evaluateLoss, evaluateOptimizer})
    if (succeeded(family(op, values)))
      return success();
  return op->emitOpError() << "has no evaluator in the reference interpreter";
}

FailureOr<SmallVector<Tensor>> reference::interpret(func::FuncOp function,
                                                    ArrayRef<Tensor> arguments) {
  if (!function.getBody().hasOneBlock())
    return function.emitError() << "the reference interpreter expects one block";
  Block &body = function.getBody().front();
  if (body.getNumArguments() != arguments.size())
    return function.emitError() << "expects " << body.getNumArguments() << " arguments, got "
                                << arguments.size();
  Values values;
  for (auto [parameter, argument] : llvm::zip_equal(body.getArguments(), arguments)) {
    if (nn::shapeOf(parameter) != ArrayRef<int64_t>(argument.shape))
      return function.emitError() << "argument " << parameter.getArgNumber() << " must be "
                                  << nn::shapeText(nn::shapeOf(parameter)) << ", got "
                                  << nn::shapeText(argument.shape);
    values.set(parameter, argument);
  }
  for (Operation &op : body.without_terminator())
    if (failed(evaluate(&op, values)))
      return failure();
  SmallVector<Tensor> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(values[value]);
  return results;
}
