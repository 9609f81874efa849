// See LossScale.h.
#include "runtime/step/LossScale.h"

#include "runtime/plan/Control.h"

#include <algorithm>
#include <cmath>

namespace danaus {

void LossScale::fillControl(std::span<float> control) const {
  control[control::GradientWeight] = float(double(control[control::InverseCount]) * value);
  control[control::InverseScale] = float(1 / value);
}

bool LossScale::update(float norm) {
  if (!std::isfinite(norm)) {
    value /= 2;
    good = 0;
    ++skips;
    return false;
  }
  if (++good >= GoodUpdates) {
    value = std::min(2 * value, Most);
    good = 0;
  }
  return true;
}

void LossScale::save(std::map<std::string, double> &sums) const {
  sums["loss_scale"] = value;
  sums["loss_scale_good"] = double(good);
  sums["loss_scale_skipped"] = double(skips);
}

void LossScale::restore(const std::map<std::string, double> &sums) {
  auto read = [&](const char *key, double otherwise) {
    auto found = sums.find(key);
    return found == sums.end() ? otherwise : found->second;
  };
  value = read("loss_scale", First);
  good = uint64_t(read("loss_scale_good", 0));
  skips = uint64_t(read("loss_scale_skipped", 0));
}

} // namespace danaus
