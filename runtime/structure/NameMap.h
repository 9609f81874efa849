// The names that other libraries give to the same tensors: a table of rules, read from a file or
// built in, that renames, splits (a packed q, k, v) and joins.
#pragma once

#include "runtime/structure/ConvertWeights.h"

#include <string>
#include <vector>

namespace danaus {

/// A rule a line: THEIRS OURS [RANK]; '#' begins a comment. `*` stands for characters other than a
/// dot, and what it matches goes to the other side in order. {a,b,c} in OURS: the tensor of theirs
/// is those, one after the other along the first dimension. RANK: theirs has ones in front until it
/// has so many dimensions. The first rule that matches decides; other names stay as they are.
class NameMap {
public:
  /// "timm-vit", "timm-mixer", "torchvision-vit": the transformers and mixers of those libraries
  /// and the layer names of models/. Else the path of a file. Usage with the line where a rule is
  /// wrong.
  static Expected<NameMap> open(const std::string &nameOrPath);
  static std::vector<std::string> builtIn();
  static Expected<NameMap> parse(std::string_view text, const std::string &origin);

  /// The tensors of `source` under our names; it must outlive the result. CheckpointInvalid where a
  /// tensor cannot be split evenly.
  Expected<WeightSource> toOurs(const WeightSource &source) const;

  /// Ours under their names: `values` holds what was joined and must outlive the result.
  /// CheckpointInvalid where a part is missing.
  Expected<std::vector<TensorRef>> toTheirs(std::span<const TensorRef> tensors,
                                            std::vector<std::vector<float>> &values) const;

private:
  struct Rule {
    std::string theirs;
    std::vector<std::string> ours; ///< one, or the parts in order
    uint64_t rank = 0;
  };
  std::vector<Rule> rules;
};

} // namespace danaus
