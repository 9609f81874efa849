// See Cases.h. A layer stands between an addition that needs its gradient and a mean that ends it,
// so that its launches carry its name alone.
#include "bench/kernels/Cases.h"

namespace danaus::bench {

namespace {

constexpr int tokens = 196, layerBatch = 32; // 6272 rows
constexpr int wideBatch = 128;               // 25088 rows of 768: 77 MB a tensor

std::string sizes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values)
    text += (text.empty() ? "" : ", ") + std::to_string(value);
  return "[" + text + "]";
}

std::string specOf(const std::string &input, const std::string &layers, int batch,
                   const std::string &structure = "[]") {
  return "name: kernel\nmodel:\n  input: {shape: " + input + "}\n  layers: " + layers +
         "\nstructure: " + structure +
         "\ndata: {name: npy, dir: .}\ntrain: {batch_size: " + std::to_string(batch) +
         ", loss: cross_entropy}\noptimizer: {type: adamw, lr: 1.0e-3, weight_decay: 0.05}\n";
}

/// What stands behind the kind in a label.
std::string layersOf(const LaunchView &launch) {
  size_t space = launch.label.find(' ');
  return space == std::string::npos ? "" : launch.label.substr(space + 1);
}

bool isProductOfLayer(const LaunchView &launch) {
  return layersOf(launch) == "layer" && launch.flops > 0;
}
bool servesLayer(const LaunchView &launch) {
  return layersOf(launch) == "layer" && launch.flops == 0;
}

/// One linear of `inputs` to `outputs`, forward alone and with its gradients.
void addLinear(std::vector<KernelCase> &cases, const std::string &name, int inputs, int outputs,
               const std::string &structure) {
  std::string spec =
      specOf(sizes({tokens, inputs}),
             "[position_embedding, {linear: {name: layer, out: " + std::to_string(outputs) +
                 "}}, mean_tokens]",
             layerBatch, "[{match: layer, " + structure + "}]");
  cases.push_back({name + "/forward", spec, Measured::Evaluation, Limit::Arithmetic,
                   isProductOfLayer, servesLayer});
  cases.push_back({name + "/forward_backward", spec, Measured::Update, Limit::Arithmetic,
                   isProductOfLayer, servesLayer});
}

std::string shape(int inputs, int outputs) {
  return std::to_string(inputs) + "_" + std::to_string(outputs);
}

void addLinears(std::vector<KernelCase> &cases) {
  constexpr std::pair<int, int> widths[] = {{768, 768}, {768, 3072}, {3072, 768}};
  for (auto [inputs, outputs] : widths)
    addLinear(cases, "contract/dense_" + shape(inputs, outputs), inputs, outputs, "kind: dense");
  for (auto [inputs, outputs] : widths)
    addLinear(cases, "chain/monarch_" + shape(inputs, outputs), inputs, outputs,
              "kind: monarch, nblocks: 4");
  for (auto [inputs, outputs] : widths)
    addLinear(cases, "chain/low_rank_" + shape(inputs, outputs), inputs, outputs,
              "kind: low_rank, rank: 192");
  for (int blocks : {3, 5, 7})
    addLinear(cases, "ragged/monarch_" + std::to_string(blocks) + "_blocks_768_768", 768, 768,
              "kind: monarch, nblocks: " + std::to_string(blocks));
  addLinear(cases, "ragged/monarch_4_blocks_750_1002", 750, 1002, "kind: monarch, nblocks: 4");
  addLinear(cases, "ragged/dense_775_773", 775, 773, "kind: dense");
  addLinear(cases, "ragged/low_rank_191_768_768", 768, 768, "kind: low_rank, rank: 191");
}

auto labelled(const std::string &label) {
  return [label](const LaunchView &launch) { return launch.label == label; };
}
auto ofKind(const std::string &kind) {
  return [kind](const LaunchView &launch) { return launch.kind == kind; };
}

/// Kernels that move more than they compute, on tensors beyond the second-level cache.
void addStreams(std::vector<KernelCase> &cases) {
  using enum Measured;
  auto stream = [&](const std::string &name, const std::string &spec, Measured what, auto counts) {
    cases.push_back({name, spec, what, Limit::Copy, counts, nullptr});
  };
  std::string wide = sizes({tokens, 768});
  std::string norm = specOf(wide, "[layer_norm, mean_tokens]", wideBatch);
  std::string gelu = specOf(wide, "[position_embedding, gelu, mean_tokens]", wideBatch);
  std::string loss = specOf("[1000]", "[layer_norm]", 25088);
  std::string update = specOf("[4096]", "[{linear: {name: layer, out: 4096}}]", 8);
  stream("row/layer_norm", norm, Evaluation, labelled("row layer_norm"));
  stream("reduce/layer_norm_gradients", norm, Update, labelled("reduce layer_norm"));
  stream("reduce/mean_tokens", norm, Evaluation, labelled("reduce mean_tokens"));
  stream("map/mean_tokens_gradient", norm, Update, labelled("row mean_tokens"));
  stream("map/add", gelu, Evaluation, labelled("row position_embedding"));
  stream("map/gelu", gelu, Evaluation, labelled("row gelu"));
  stream("reduce/add_gradient", gelu, Update, labelled("reduce position_embedding"));
  stream("row/layer_norm_softmax_loss", loss, Evaluation, labelled("chain layer_norm, loss"));
  stream("update/adamw", update, Update, ofKind("update"));
  stream("copy/pack_weights", update, Evaluation, labelled("copy layer"));
}

void addAttention(std::vector<KernelCase> &cases) {
  std::string spec =
      specOf(sizes({197, 768}),
             "[position_embedding, {attention: {name: attn, heads: 8}}, mean_tokens]", layerBatch);
  cases.push_back({"attention/197_768_8_heads/forward", spec, Measured::Evaluation,
                   Limit::Arithmetic, ofKind("attention"), nullptr});
  cases.push_back({"attention/197_768_8_heads/backward", spec, Measured::Update, Limit::Arithmetic,
                   ofKind("attention_backward"), nullptr});
}

} // namespace

std::vector<KernelCase> kernelCases() {
  std::vector<KernelCase> cases;
  addLinears(cases);
  addAttention(cases);
  addStreams(cases);
  return cases;
}

} // namespace danaus::bench
