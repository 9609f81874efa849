// Between images, tokens and vectors: patch_embed, class_token, position_embedding, mean_tokens and
// select_token. A sample of tokens is (tokens, features).
#include "compiler/import/ModelContext.h"

#include <numeric>

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Layer;
using spec::LayerKind;

namespace {
/// The deviation that class tokens and positions start with.
constexpr double embeddingDeviation = 0.02;

/// Marks `op` as what the summary shows for a layer of this kind.
Value shownAs(const Layer &layer, Operation *op) {
  op->setAttr(nn::LayerAttr, StringAttr::get(op->getContext(), layer.type));
  return op->getResult(0);
}

LogicalResult checkImages(ModelContext &model, const Layer &layer, StringRef name,
                          ArrayRef<int64_t> sample) {
  if (sample.size() != 3) {
    InFlightDiagnostic error = model.error(layer.mark);
    error << "layer " << name << " cuts images of shape (channels, height, width), but a sample "
          << "here is " << nn::shapeText(sample);
    if (sample.size() == 2)
      return error << "; write input: {shape: [1, " << sample[0] << ", " << sample[1] << "]}";
    return error << "; write input: {shape: [channels, height, width]}, and put no layer before it "
                 << "that changes the shape";
  }
  int64_t common = std::gcd(sample[1], sample[2]);
  if (common % layer.patch == 0)
    return success();
  return model.error({layer.patch.mark, layer.mark})
         << "patch = " << layer.patch.value << " does not divide the images of " << sample[1]
         << " x " << sample[2] << " pixels; use " << nearestDivisors(common, layer.patch);
}

/// (B, C, H, W) to (B * h * w, C * P * P): the patches row by row, each in the order of a
/// convolution's weight.
Value cutPatches(ModelContext &model, Location loc, Value images, int64_t patch) {
  ArrayRef<int64_t> shape = nn::shapeOf(images);
  int64_t channels = shape[1], height = shape[2] / patch, width = shape[3] / patch;
  Value split =
      createReshape(model, loc, images, {shape[0], channels, height, patch, width, patch});
  Value patches = createTranspose(model, loc, split, {0, 2, 4, 1, 3, 5});
  return createReshape(model, loc, patches, {shape[0] * height * width, channels * patch * patch});
}

LayerResult importPatchEmbed(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  if (failed(needsFeatures(model, layer, name, input)) ||
      failed(checkImages(model, layer, name, nn::shapeOf(input).drop_front())))
    return failure();
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  Location loc = model.locationOf(name, layer.mark);
  LinearLayer linear{name.str(), layer.out,      layer.bias,
                     layer.mark, layer.out.mark, {layer.out, shape[1], layer.patch, layer.patch}};
  auto rows = importLinearRows(model, linear, cutPatches(model, loc, input, layer.patch));
  if (failed(rows))
    return failure();
  return createReshape(model, loc, *rows, {shape[0], nn::shapeOf(*rows)[0] / shape[0], layer.out});
}

/// Pads the tokens by one in front and adds the class token, padded behind.
LayerResult importClassToken(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  auto token = model.addParameter(name, {1, shape[2]}, Init::truncatedNormal(embeddingDeviation),
                                  layer.mark, Decay::Never);
  auto type = model.tensorOf({shape[0], shape[1] + 1, shape[2]}, {layer.mark},
                             "the result of layer " + name);
  if (failed(token) || failed(type))
    return failure();
  Location loc = model.locationOf(name, layer.mark);
  Value behind = nn::PadOp::create(model.builder, loc, *type, input,
                                   model.builder.getDenseI64ArrayAttr({0, 1, 0}));
  Value before =
      nn::PadOp::create(model.builder, loc, nn::tensorOf(model.context, {shape[1] + 1, shape[2]}),
                        *token, DenseI64ArrayAttr());
  return shownAs(layer, nn::AddOp::create(model.builder, loc, *type, behind, before));
}

LayerResult importPositionEmbedding(ModelContext &model, const Layer &layer, StringRef name,
                                    Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  auto positions =
      model.addParameter(name, {shape[1], shape[2]}, Init::truncatedNormal(embeddingDeviation),
                         layer.mark, Decay::Never);
  if (failed(positions))
    return failure();
  return shownAs(layer, nn::AddOp::create(model.builder, model.locationOf(name, layer.mark),
                                          input.getType(), input, *positions));
}

Value importMeanTokens(ModelContext &model, const Layer &layer, StringRef name, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  return nn::MeanTokensOp::create(model.builder, model.locationOf(name, layer.mark),
                                  nn::tensorOf(model.context, {shape[0], shape[2]}), input);
}

LayerResult importSelectToken(ModelContext &model, const Layer &layer, StringRef name,
                              Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  if (layer.token >= shape[1])
    return model.error({layer.token.mark, layer.mark})
           << "there is no token " << layer.token.value << " for layer " << name << ": the "
           << shape[1] << " tokens are 0 to " << shape[1] - 1;
  Location loc = model.locationOf(name, layer.mark);
  Value token =
      nn::SliceOp::create(model.builder, loc, nn::tensorOf(model.context, {shape[0], 1, shape[2]}),
                          input, model.builder.getDenseI64ArrayAttr({0, layer.token, 0}));
  return createReshape(model, loc, token, {shape[0], shape[2]});
}
} // namespace

LayerResult danaus::import::importTokenLayer(ModelContext &model, const Layer &layer,
                                             StringRef name, Value input) {
  if (layer.kind == LayerKind::PatchEmbed)
    return importPatchEmbed(model, layer, name, input);
  if (failed(needsTokens(model, layer, name, input)))
    return failure();
  switch (layer.kind) {
  case LayerKind::ClassToken:
    return importClassToken(model, layer, name, input);
  case LayerKind::PositionEmbedding:
    return importPositionEmbedding(model, layer, name, input);
  case LayerKind::MeanTokens:
    return importMeanTokens(model, layer, name, input);
  case LayerKind::SelectToken:
    return importSelectToken(model, layer, name, input);
  default:
    llvm_unreachable("not a layer of tokens");
  }
}
