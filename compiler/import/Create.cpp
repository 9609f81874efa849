// Operations and checks that several kinds of layers share.
#include "compiler/import/ModelContext.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;

Value danaus::import::createActivation(ModelContext &model, Location location,
                                       spec::Activation activation, Value input) {
  Type type = input.getType();
  switch (activation) {
  case spec::Activation::None:
    return input;
  case spec::Activation::Relu:
    return nn::ReluOp::create(model.builder, location, type, input);
  case spec::Activation::Gelu:
    return nn::GeluOp::create(model.builder, location, type, input);
  case spec::Activation::GeluTanh:
    return nn::GeluTanhOp::create(model.builder, location, type, input);
  }
  llvm_unreachable("an activation without a case");
}

Value danaus::import::createReshape(ModelContext &model, Location location, Value input,
                                    ArrayRef<int64_t> shape) {
  auto type = nn::tensorOf(model.context, shape);
  if (type == input.getType())
    return input;
  return nn::ReshapeOp::create(model.builder, location, type, input);
}

Value danaus::import::createRows(ModelContext &model, Location location, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  return createReshape(model, location, input, {llvm::product_of(shape.drop_back()), shape.back()});
}

Value danaus::import::createTranspose(ModelContext &model, Location location, Value input,
                                      ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> shape;
  for (int64_t dimension : permutation)
    shape.push_back(nn::shapeOf(input)[dimension]);
  return nn::TransposeOp::create(model.builder, location, nn::tensorOf(model.context, shape), input,
                                 permutation);
}

LogicalResult danaus::import::needsFeatures(ModelContext &model, const spec::Layer &layer,
                                            StringRef name, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  if (shape.size() >= 2)
    return success();
  return model.error(layer.mark) << "layer " << name << " needs at least one feature dimension "
                                 << "beside the batch, its input is " << nn::shapeText(shape);
}

LogicalResult danaus::import::needsTokens(ModelContext &model, const spec::Layer &layer,
                                          StringRef name, Value input) {
  if (failed(needsFeatures(model, layer, name, input)))
    return failure();
  ArrayRef<int64_t> sample = nn::shapeOf(input).drop_front();
  if (sample.size() == 2)
    return success();
  return model.error(layer.mark)
         << "layer " << name
         << " works on tokens: a sample must have the shape (tokens, features), "
         << "but here it is " << nn::shapeText(sample)
         << "; put the layer behind - patch_embed: {patch: ..., dim: ...}";
}

std::string danaus::import::nearestDivisors(int64_t whole, int64_t value) {
  int64_t below = value, above = value;
  while (below > 1 && whole % below != 0)
    --below;
  while (above < whole && whole % above != 0)
    ++above;
  return value > whole ? std::to_string(whole)
                       : std::to_string(below) + " or " + std::to_string(above);
}
