// The layers of vision transformers and mixers in the table of keys (see Schema.cpp).
#include "compiler/import/Schema.h"

namespace danaus::spec {

template <auto Member>
void Schema::numberLayer(const char *name, LayerKind kind, const char *doc, const Type *type,
                         const char *meaning) {
  auto *map = make<Record<Layer>>();
  map->key<Member>(name, type, meaning).required();
  layer->add({name, doc, kind, Activation::None, map});
}

void Schema::defineVisionLayers() {
  auto *size = make<IntegerType>(1, largestSize);
  auto *rate = make<NumberType>(Range::upTo(0, 1));
  defineTokenLayers();

  auto *norm = make<Record<Layer>>();
  norm->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  norm->key<&Layer::epsilon>("eps", make<NumberType>(Range::above(0)), "Added to the variance.");
  layerKind("layer_norm", LayerKind::LayerNorm,
            "Takes mean and variance out of the last dimension, then applies a weight and a bias.",
            norm);

  auto *attention = make<Record<Layer>>();
  attention->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  attention->key<&Layer::heads>("heads", size, "Heads; they divide the features of a token.")
      .required();
  attention->key<&Layer::qkvBias>("qkv_bias", make<BoolType>(),
                                  "Whether q, k and v have a bias; proj always has one.");
  attention->key<&Layer::rate>("dropout", rate, "Dropout of the result.");
  layerKind("attention", LayerKind::Attention,
            "Every token looks at all tokens: proj(softmax(q k^T / sqrt(d / heads)) v), head by "
            "head. Its linears are called `q`, `k`, `v` and `proj`.",
            attention);

  auto *mlp = make<Record<Layer>>();
  mlp->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  mlp->key<&Layer::hidden>("hidden", size, "Features between the two linears.").required();
  mlp->key<&Layer::hiddenActivation>("activation", make<WordType<Activation>>(activations()),
                                     "What is applied between them.");
  mlp->key<&Layer::axis>(
      "over",
      make<WordType<MlpAxis>>(std::vector<std::pair<std::string, MlpAxis>>{
          {"channels", MlpAxis::Channels}, {"tokens", MlpAxis::Tokens}}),
      "channels: each token by itself; tokens: each channel by itself, across the tokens.");
  mlp->key<&Layer::rate>("dropout", rate, "Dropout behind the activation and of the result.");
  layerKind("mlp", LayerKind::Mlp,
            "Two linears with an activation between, called `fc1` and `fc2`; as many features come "
            "out as went in.",
            mlp);

  numberLayer<&Layer::rate>("dropout", LayerKind::Dropout,
                            "In training, elements become 0 at random, and the others are divided "
                            "by 1 - rate. In evaluation nothing.",
                            rate, "The rate of zeros.");
  numberLayer<&Layer::rate>("drop_path", LayerKind::DropPath,
                            "The last layer of a residual: in training, the branch is left out for "
                            "samples at random, and divided by 1 - rate for the others.",
                            rate, "The rate of samples without the branch.");
}

void Schema::defineTokenLayers() {
  auto *embed = make<Record<Layer>>();
  embed->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  embed
      ->key<&Layer::patch>("patch", make<IntegerType>(1, largestSize),
                           "The side of a patch; it divides the height and the width.")
      .required();
  embed->key<&Layer::out>("dim", make<IntegerType>(1, largestSize), "Features of a token.")
      .required();
  embed->key<&Layer::bias>("bias", make<BoolType>(), "Whether a bias is added.");
  layerKind(
      "patch_embed", LayerKind::PatchEmbed,
      "Cuts images (channels, height, width) into square patches, row by row, and makes a "
      "token of each by a linear: (tokens, dim). Its weight is (dim, channels, patch, patch).",
      embed);
  layerKind("class_token", LayerKind::ClassToken,
            "Puts a learned token before the others: (tokens, d) to (tokens + 1, d).");
  layerKind("position_embedding", LayerKind::PositionEmbedding,
            "Adds a learned vector to each token, another one for each place.");
  layerKind("mean_tokens", LayerKind::MeanTokens, "The mean over the tokens: (tokens, d) to (d).");
  numberLayer<&Layer::token>("select_token", LayerKind::SelectToken,
                             "One of the tokens: (tokens, d) to (d).",
                             make<IntegerType>(0, largestSize), "Which, from 0.");
}

} // namespace danaus::spec
