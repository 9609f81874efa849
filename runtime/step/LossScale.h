// Dynamic loss scale for train.dtype: fp16: gradients are multiplied by it before they are rounded
// to float16, whose smallest number is 6e-8, and divided by it before the update. An update whose
// gradient is not finite does not happen and halves the scale; 2,000 good ones in a row double it
// (as Micikevicius et al., 2018, and PyTorch's GradScaler do).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace danaus {

class LossScale {
public:
  static constexpr double First = 65536, Least = 1.0 / 1024, Most = 1 << 24;
  static constexpr uint64_t GoodUpdates = 2000;

  double scale() const { return value; }
  /// Updates that did not happen.
  uint64_t skipped() const { return skips; }

  /// Writes GradientWeight and InverseScale; after Schedule::fillControl.
  void fillControl(std::span<float> control) const;
  /// After an update: `norm` is that of its gradient (metrics::GradNorm). True where it happened.
  bool update(float norm);
  /// The scale is so small that no gradient overflows because of it: the gradients themselves are
  /// not finite.
  bool isHopeless() const { return value < Least; }

  /// To and from the sums of a checkpoint.
  void save(std::map<std::string, double> &sums) const;
  void restore(const std::map<std::string, double> &sums);

private:
  double value = First;
  uint64_t good = 0, skips = 0;
};

} // namespace danaus
