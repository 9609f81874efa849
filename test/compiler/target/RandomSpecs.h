// Random specs of small models, in sizes that fit no vector and no tile.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace danaus::test {

/// A random spec: dense, low-rank and Monarch layers of awkward sizes, any optimizer.
class RandomSpec {
public:
  explicit RandomSpec(unsigned seed, std::string dtype = "f32")
      : random(seed), dtype(std::move(dtype)) {}

  std::string text() {
    int64_t batch = pick({1, 2, 7, 16, 37, 128}), width = size();
    std::string layers, structure;
    int64_t depth = 1 + random() % 3, in = width;
    for (int64_t i = 0; i <= depth; ++i) {
      int64_t out = i == depth ? pick({2, 3, 10, 17, 100}) : size();
      std::string name = "l" + std::to_string(i);
      layers += "    - linear: {name: " + name + ", out: " + std::to_string(out) +
                (random() % 4 ? "" : ", bias: false") +
                (i == depth ? "" : ", activation: " + choice({"relu", "gelu", "gelu_tanh"})) +
                "}\n";
      structure += rule(name, in, out);
      in = out;
    }
    return "name: random\nmodel:\n  input: {shape: [" + std::to_string(width) + "]}\n  layers:\n" +
           layers + (structure.empty() ? "" : "structure:\n" + structure) +
           "data: {name: fashion_mnist}\ntrain: {dtype: " + dtype +
           ", batch_size: " + std::to_string(batch) +
           ", loss: {cross_entropy: {label_smoothing: " + choice({"0.0", "0.1"}) + "}}" +
           (random() % 2 ? ", clip_grad_norm: 0.5" : "") + (random() % 3 ? "" : ", ema: 0.9") +
           "}\noptimizer: " +
           choice({"{type: sgd, lr: 0.1}",
                   "{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.01}",
                   "{type: adam, lr: 0.01}", "{type: adam, lr: 0.01, weight_decay: 0.1}",
                   "{type: adamw, lr: 0.01, weight_decay: 0.1}"}) +
           "\n";
  }

private:
  int64_t pick(std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  }
  std::string choice(std::initializer_list<const char *> values) {
    return values.begin()[random() % values.size()];
  }
  int64_t size() { return pick({1, 2, 3, 5, 16, 17, 23, 31, 32, 48, 64, 65, 90, 97, 128, 131}); }

  std::string rule(const std::string &name, int64_t in, int64_t out) {
    std::string begin = "  - {match: " + name + ", kind: ";
    int64_t least = std::min(in, out);
    if (random() % 3 == 0)
      return begin + "low_rank, rank: " + std::to_string(1 + random() % least) + "}\n";
    int64_t blocks = pick({2, 3, 4, 8, 16});
    auto useful = [&](int64_t n) { return (blocks - 1) * ((n + blocks - 1) / blocks) < n; };
    if (random() % 3 != 0 && blocks <= least && useful(in) && useful(out))
      return begin + choice({"monarch", "monarch", "block_diagonal"}) +
             ", nblocks: " + std::to_string(blocks) + "}\n";
    return "";
  }

  std::mt19937 random;
  std::string dtype;
};

/// A random vision model: patches, tokens, attention, both kinds of mlp, norms, dropout, in sizes
/// that fit no vector.
class RandomVision {
public:
  explicit RandomVision(unsigned seed, std::string dtype = "f32")
      : random(seed), dtype(std::move(dtype)) {}

  std::string text() {
    int64_t channels = pick({1, 3}), patch = pick({1, 2, 3}), batch = pick({1, 2, 5}),
            high = pick({1, 2, 3, 4}), wide = pick({1, 2, 5}), heads = pick({1, 2, 3});
    int64_t dim = heads * pick({1, 3, 5, 8, 16, 17, 33});
    std::string layers =
        "    - patch_embed: {patch: " + number(patch) + ", dim: " + number(dim) + "}\n";
    bool classToken = random() % 2;
    layers += classToken ? "    - class_token\n" : "";
    layers += random() % 2 ? "    - position_embedding\n" : "";
    layers += "    - repeat: " + number(pick({1, 2})) + "\n      name: blocks\n      layers:\n" +
              residual(block("attn", "attention: {name: attn, heads: " + number(heads) +
                                         ", qkv_bias: " + choice({"true", "false"}) + "}")) +
              (random() % 2 ? residual(block("token", mlp("token", "tokens"))) : "") +
              residual(block("mlp", mlp("mlp", "channels")));
    layers += random() % 2 ? "    - layer_norm: {eps: 1.0e-5}\n" : "";
    layers += classToken && random() % 2
                  ? "    - select_token: " + number(random() % (high * wide + 1)) + "\n"
                  : "    - mean_tokens\n";
    layers += "    - linear: {name: head, out: " + number(pick({2, 10, 17})) + "}\n";
    return "name: vision\nmodel:\n  input: {shape: [" + number(channels) + ", " +
           number(high * patch) + ", " + number(wide * patch) + "]}\n  layers:\n" + layers +
           structure(dim) + "data: {name: npy}\ntrain: {dtype: " + dtype +
           ", batch_size: " + number(batch) + "}\n" +
           "optimizer: {type: adamw, lr: 0.01, weight_decay: 0.1}\n";
  }

private:
  std::string number(int64_t value) { return std::to_string(value); }
  int64_t pick(std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  }
  std::string choice(std::initializer_list<const char *> values) {
    return values.begin()[random() % values.size()];
  }
  std::string residual(const std::string &list) { return "        - residual: [" + list + "]\n"; }
  std::string block(const std::string &name, const std::string &layer) {
    return std::string(random() % 4 ? "layer_norm, " : "") + "{" + layer + "}" +
           (random() % 3 ? "" : ", {dropout: 0.25}") + (random() % 3 ? "" : ", {drop_path: 0.25}");
  }
  std::string mlp(const std::string &name, const std::string &over) {
    return "mlp: {name: " + name + ", hidden: " + number(pick({1, 7, 16, 24, 33})) +
           ", activation: " + choice({"relu", "gelu", "gelu_tanh"}) + ", over: " + over + "}";
  }
  std::string structure(int64_t dim) {
    if (random() % 3 == 0)
      return "";
    if (random() % 2)
      return "structure:\n  - {match: \"blocks.*.attn.*\", kind: low_rank, rank: 0.5}\n";
    for (int64_t blocks : {4, 3, 2})
      if (dim >= blocks && (blocks - 1) * ((dim + blocks - 1) / blocks) < dim)
        return "structure:\n  - {match: \"blocks.*.attn.*\", kind: monarch, nblocks: " +
               number(blocks) + "}\n";
    return "";
  }

  std::mt19937 random;
  std::string dtype;
};

} // namespace danaus::test
