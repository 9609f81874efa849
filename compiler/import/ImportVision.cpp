// What blocks of vision transformers and mixers are made of: layer_norm, attention, mlp, dropout
// and drop_path. Linears and norms work on rows, so tokens are reshaped around them.
#include "compiler/import/ModelContext.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Layer;
using spec::LayerKind;

namespace {
/// Groups of `group` neighbours of `input`, whose first dimension is the batch, become 0 together.
Value createDropout(ModelContext &model, Location loc, double rate, Value input, int64_t group) {
  if (rate == 0)
    return input;
  return nn::DropoutOp::create(model.builder, loc, input.getType(), input, model.control(),
                               llvm::APFloat(rate), model.dropoutCount++, group);
}

LayerResult importLayerNorm(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  int64_t features = nn::shapeOf(input).back();
  auto weight = model.addParameter(name + ".weight", features, Init::ones(), layer.mark);
  auto bias = model.addParameter(name + ".bias", features, Init(), layer.mark);
  if (failed(weight) || failed(bias))
    return failure();
  Location loc = model.locationOf(name, layer.mark);
  Value rows = createRows(model, loc, input);
  auto perRow = nn::tensorOf(model.context, nn::shapeOf(rows)[0]);
  auto norm = nn::LayerNormOp::create(model.builder, loc, rows.getType(), perRow, perRow, rows,
                                      *weight, *bias, llvm::APFloat(layer.epsilon));
  return createReshape(model, loc, norm.getResult(), nn::shapeOf(input));
}

/// One of a layer's linears, over rows.
LayerResult importPart(ModelContext &model, const Layer &layer, const Twine &name, int64_t out,
                       bool bias, spec::Mark outMark, Value rows) {
  return importLinearRows(model, {name.str(), out, bias, layer.mark, outMark}, rows);
}

LogicalResult checkHeads(ModelContext &model, const Layer &layer, StringRef name,
                         int64_t features) {
  if (features % layer.heads == 0)
    return success();
  return model.error({layer.heads.mark, layer.mark})
         << "heads = " << layer.heads.value << " does not divide the " << features
         << " features of a token in layer " << name << "; use "
         << nearestDivisors(features, layer.heads);
}

LayerResult importAttention(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  int64_t features = shape.back();
  if (failed(checkHeads(model, layer, name, features)))
    return failure();
  Location loc = model.locationOf(name, layer.mark);
  Value rows = createRows(model, loc, input);
  SmallVector<Value> qkv;
  for (StringRef part : {"q", "k", "v"}) {
    auto value = importPart(model, layer, name + "." + part, features, layer.qkvBias, {}, rows);
    if (failed(value))
      return failure();
    qkv.push_back(createReshape(model, model.locationOf((name + "." + part).str(), layer.mark),
                                *value, shape));
  }
  auto logsumexp = nn::tensorOf(model.context, {shape[0], layer.heads, shape[1]});
  auto attention = nn::AttentionOp::create(model.builder, loc, input.getType(), logsumexp, qkv[0],
                                           qkv[1], qkv[2], layer.heads);
  auto result = importPart(model, layer, name + ".proj", features, true, {},
                           createRows(model, loc, attention.getResult()));
  if (failed(result))
    return failure();
  return createDropout(model, loc, layer.rate, createReshape(model, loc, *result, shape), 1);
}

/// fc2(activation(fc1(x))) over the last dimension.
LayerResult importMlpOverLast(ModelContext &model, const Layer &layer, StringRef name,
                              Value input) {
  SmallVector<int64_t> shape(nn::shapeOf(input)), inside = shape;
  inside.back() = layer.hidden;
  Location loc = model.locationOf(name, layer.mark);
  auto hidden = importPart(model, layer, name + ".fc1", layer.hidden, true, layer.hidden.mark,
                           createRows(model, loc, input));
  if (failed(hidden))
    return failure();
  Value active = createActivation(model, loc, layer.hiddenActivation, *hidden);
  if (layer.rate > 0)
    active = createDropout(model, loc, layer.rate, createReshape(model, loc, active, inside), 1);
  auto result = importPart(model, layer, name + ".fc2", shape.back(), true, {},
                           createRows(model, loc, active));
  if (failed(result))
    return failure();
  return createDropout(model, loc, layer.rate, createReshape(model, loc, *result, shape), 1);
}

LayerResult importMlp(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  if (layer.axis == spec::MlpAxis::Channels)
    return importMlpOverLast(model, layer, name, input);
  if (failed(needsTokens(model, layer, name, input)))
    return failure();
  Location loc = model.locationOf(name, layer.mark);
  auto mixed = importMlpOverLast(model, layer, name, createTranspose(model, loc, input, {0, 2, 1}));
  if (failed(mixed))
    return failure();
  return createTranspose(model, loc, *mixed, {0, 2, 1});
}
} // namespace

LayerResult danaus::import::importBlockLayer(ModelContext &model, const Layer &layer,
                                             StringRef name, Value input) {
  if (failed(needsFeatures(model, layer, name, input)))
    return failure();
  Location loc = model.locationOf(name, layer.mark);
  switch (layer.kind) {
  case LayerKind::LayerNorm:
    return importLayerNorm(model, layer, name, input);
  case LayerKind::Attention:
    if (failed(needsTokens(model, layer, name, input)))
      return failure();
    return importAttention(model, layer, name, input);
  case LayerKind::Mlp:
    return importMlp(model, layer, name, input);
  case LayerKind::Dropout:
    return createDropout(model, loc, layer.rate, input, 1);
  case LayerKind::DropPath:
    return createDropout(model, loc, layer.rate, input,
                         llvm::product_of(nn::shapeOf(input).drop_front()));
  default:
    llvm_unreachable("not a layer of a block");
  }
}
