// Linears by the names of their tensors: which structure those are of, and their values.
#pragma once

#include "runtime/structure/ConvertWeights.h"

#include <map>

namespace danaus {

/// The tensors of one side: the file's, or the model's, whose values are not known yet.
using Shapes = std::map<std::string, std::vector<uint64_t>>;

/// The product of the sizes from dimension `from` on.
uint64_t product(const std::vector<uint64_t> &shape, size_t from = 0);

/// The linear that a tensor may belong to; empty where its name is not one of a linear's.
std::string linearOf(const std::string &tensor);

/// A linear's structure as the shapes of its tensors tell it; false where they tell none.
bool describeLinear(const std::string &name, const Shapes &shapes, LinearWeights &into);

/// Names of the two matrices' tensors.
std::pair<std::string, std::string> tensorsOf(const std::string &name, LinearKind kind);

/// Both matrices, from the tensors of the linear with `suffix` behind their names.
Status readLinear(const WeightSource &source, const std::string &name, const std::string &suffix,
                  LinearWeights &into);

/// Whether the weights are of a linear with so many features. Blocks may be padded: what is beyond
/// the features is no weight.
bool fitsFeatures(const LinearWeights &weights, uint64_t in, uint64_t out);

} // namespace danaus
