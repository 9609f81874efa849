// Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018) and CutMix (Yun et al.,
// "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019).
// Row i of a batch is mixed with row n-1-i of its n real rows (as timm): the order of an epoch is
// random already, and pairs can be mixed in place. The loss of a row becomes
// weight * ce(z, label) + (1 - weight) * ce(z, mix label).
#pragma once

#include "runtime/data/Resize.h"

#include <span>

namespace danaus {

/// The parameter of Beta(alpha, alpha); 0: not done. With both, each batch takes one of them.
struct MixOptions {
  double mixupAlpha = 0, cutmixAlpha = 0;
  bool any() const { return mixupAlpha > 0 || cutmixAlpha > 0; }
};

enum class MixKind { None, Mixup, Cutmix };

/// What happens to one batch.
struct Mix {
  MixKind kind = MixKind::None;
  float weight = 1; ///< of the first label; cutmix: the share of the image that stays
  PixelBox box;     ///< cutmix: what is exchanged
};

class RandomStream;

/// From Beta(alpha, alpha), alpha > 0: X / (X + Y) of two Gamma(alpha) by Marsaglia and Tsang, "A
/// simple method for generating gamma variables" (2000).
double drawBeta(double alpha, RandomStream &numbers);

/// The box of the paper for a share `lambda` of the image that is to stay: centred anywhere, cut
/// off at the border.
PixelBox drawCutmixBox(double lambda, const ImageShape &image, RandomStream &numbers);

/// A function of (seed, epoch, step) and the sizes alone.
Mix drawMix(const MixOptions &options, const ImageShape &image, uint64_t seed, uint64_t epoch,
            uint64_t step);

/// Mixes two rows in place; `first` is the one that comes first in its batch.
void mixPair(const Mix &mix, const ImageShape &image, float *first, float *second);

/// Mixes the rows of a batch in place and sets the second labels and weights. All but `input` have
/// an entry for each of the rows, which are the real ones.
void mixBatch(const Mix &mix, const ImageShape &image, std::span<float> input,
              std::span<const int32_t> labels, std::span<int32_t> mixLabels,
              std::span<float> mixWeights);

} // namespace danaus
