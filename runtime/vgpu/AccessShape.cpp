// See AccessShape.h.
#include "runtime/vgpu/AccessShape.h"

#include <algorithm>
#include <bit>

namespace danaus::vgpu {

namespace {

constexpr uint64_t BankBytes = 4, Banks = 32, SectorBytes = 32;

/// The union of [at, at + bytes) over lanes, as ascending runs; answers how many.
uint32_t runsOf(uint32_t lanes, const Addresses &away, uint32_t bytes, AccessShape::Run *runs) {
  std::array<int64_t, Lanes> starts;
  uint32_t count = 0;
  for (uint32_t left = lanes; left; left &= left - 1)
    starts[count++] = int64_t(away[size_t(std::countr_zero(left))]);
  if (!std::is_sorted(starts.begin(), starts.begin() + count))
    std::sort(starts.begin(), starts.begin() + count);
  uint32_t made = 0;
  int64_t end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (made > 0 && starts[i] <= end) {
      end = std::max(end, starts[i] + int64_t(bytes));
      runs[made - 1].bytes = uint32_t(end - int64_t(runs[made - 1].from));
      continue;
    }
    runs[made++] = {uint64_t(starts[i]), bytes};
    end = starts[i] + int64_t(bytes);
  }
  return made;
}

/// Different units of `unit` bytes that runs touch: `visit(number)` for each, ascending.
template <typename Visit>
void forUnits(const AccessShape::Run *runs, uint32_t count, uint64_t base, uint64_t unit,
              Visit visit) {
  uint64_t last = ~uint64_t(0);
  for (uint32_t r = 0; r < count; ++r)
    for (uint64_t u = (base + runs[r].from) / unit;
         u <= (base + runs[r].from + runs[r].bytes - 1) / unit; ++u)
      if (u != last) {
        visit(u);
        last = u;
      }
}

/// What the fullest of the banks has to give, different words one after another.
void addWaves(const AccessShape::Run *runs, uint32_t count, uint64_t base, AccessShape &to) {
  uint32_t words = 0, most = 0, given[Banks] = {};
  forUnits(runs, count, base, BankBytes, [&](uint64_t word) {
    ++words;
    most = std::max(most, ++given[word % Banks]);
  });
  to.waves += most;
  to.idealWaves += (words + uint32_t(Banks) - 1) / uint32_t(Banks);
}

} // namespace

bool AccessShape::isOf(uint32_t lanes, const Addresses &at, uint32_t size) const {
  if (lanes != mask || size != bytes || at[0] % (Banks * BankBytes) != phase)
    return false;
  uint64_t differs = 0;
  for (unsigned i = 0; i < Lanes; ++i)
    differs |= (at[i] - at[0]) ^ away[i];
  return differs == 0;
}

void AccessShape::make(uint32_t lanes, const Addresses &at, uint32_t size, unsigned lanesTogether) {
  mask = lanes;
  bytes = size;
  together = lanesTogether;
  phase = uint32_t(at[0] % (Banks * BankBytes));
  uint64_t low = 0, run = 0, one = 0;
  for (unsigned i = 0; i < Lanes; ++i) {
    away[i] = at[i] - at[0];
    low |= at[i];
    run |= away[i] ^ uint64_t(i) * size;
    one |= away[i];
  }
  isAligned = low % size == 0;
  isRun = lanes == ~0u && run == 0;
  isOne = one == 0;
  runCount = runsOf(lanes, away, size, runs.data());
  const Run &last = runs[runCount - 1];
  least = runs[0].from;
  span = last.from + last.bytes - least;
  sectors = waves = idealWaves = 0;
  forUnits(runs.data(), runCount, at[0], SectorBytes, [&](uint64_t) { ++sectors; });
  uint64_t total = 0;
  for (uint32_t r = 0; r < runCount; ++r)
    total += runs[r].bytes;
  idealSectors = uint32_t((total + SectorBytes - 1) / SectorBytes);
  std::array<Run, Lanes> part;
  for (unsigned begin = 0; begin < Lanes; begin += together) {
    uint32_t own = lanes & uint32_t(((uint64_t(1) << together) - 1) << begin);
    if (own)
      addWaves(part.data(), runsOf(own, away, size, part.data()), at[0], *this);
  }
}

} // namespace danaus::vgpu
