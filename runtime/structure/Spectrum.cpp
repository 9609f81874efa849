// See Spectrum.h.
#include "runtime/structure/Spectrum.h"

#include <algorithm>

namespace danaus {

static double squaresOf(const std::vector<double> &sigma, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < std::min<uint64_t>(count, sigma.size()); ++i)
    sum += sigma[i] * sigma[i];
  return sum;
}

uint64_t Spectrum::rankFor(double energy) const {
  double all = squaresOf(sigma, sigma.size()), sum = 0;
  for (uint64_t rank = 1; rank <= sigma.size(); ++rank) {
    sum += sigma[rank - 1] * sigma[rank - 1];
    if (sum >= energy * all)
      return rank;
  }
  return std::max<uint64_t>(sigma.size(), 1); // rounding kept the sum below
}

double Spectrum::energyOf(uint64_t rank) const {
  double all = squaresOf(sigma, sigma.size());
  return all > 0 ? squaresOf(sigma, rank) / all : 1;
}

double Spectrum::stableRank() const {
  double largest = sigma.empty() ? 0 : sigma.front() * sigma.front();
  return largest > 0 ? squaresOf(sigma, sigma.size()) / largest : 1;
}

Expected<Spectrum> spectrumOf(const Matrix &matrix) {
  auto svd = computeSvd(matrix);
  if (!svd)
    return svd.takeError();
  return Spectrum{std::move(svd->sigma)};
}

} // namespace danaus
