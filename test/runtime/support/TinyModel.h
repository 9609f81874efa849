// A whole trainable model without the compiler: one linear layer on 28 x 28 images, batch 8, with
// the kernels of tiny_kernels.cpp. For the tests of steps, of the trainer and of the program.
#pragma once

#include "runtime/data/Dataset.h"
#include "runtime/plan/ModelFile.h"

namespace danaus::test {

struct TinyOptions {
  uint64_t seed = 1, epochs = 3, validation = 16, maxSteps = 0, everyNSteps = 0;
  double lr = 0.002;
  bool mixes = false; ///< has second labels and weights, which its kernels do not read
  std::string init = "";
  std::string spec = "name: tiny\n";
  uint64_t accumulate = 1; ///< or 4
  double ema = 0;          ///< or 0.75
};

inline constexpr uint64_t tinyBatch = 8;

/// The table, to be changed further.
fb::ModelT tinyModel(const TinyOptions &options = {});

/// Writes the table and the kernels as a model file.
Status writeTinyModel(const std::string &path, const fb::ModelT &model);

/// `count` images of 28 x 28 whose label can be learned from them.
Dataset tinyDataset(uint32_t count, uint32_t seed = 0);

} // namespace danaus::test
