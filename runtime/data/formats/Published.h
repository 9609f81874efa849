// Whether a dataset is the published one: by the MD5 of the contents of MNIST's and Fashion-MNIST's
// files (packages compress them anew, so the compressed files differ), and by the sizes and counts
// of CIFAR-10, of whose single files no hash is published.
#pragma once

#include "runtime/data/Dataset.h"

namespace danaus {

enum class Published {
  Unknown, ///< there is no such thing for this dataset
  Matches,
  Differs, ///< readable, but another set
};

struct PublishedComparison {
  Published verdict = Published::Unknown;
  std::string detail; ///< "the published set (MD5 of images and labels)"
};

/// `dataset` as it was read.
PublishedComparison compareWithPublished(const Dataset &dataset, Portion portion);

/// Which of the MNIST-like sets has exactly these labels; nothing when none.
std::optional<std::string> publishedSetWithLabels(const Dataset &dataset, Portion portion);

} // namespace danaus
