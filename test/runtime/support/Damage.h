// Damages the bytes of a good file in many ways, the same in every run: for tests that a reader
// answers any file with a result or an error, never with a crash.
#pragma once

#include "runtime/base/Philox.h"

#include <algorithm>
#include <string>

namespace danaus::test {

/// Calls `use(damaged)` for `good` cut at up to `count` places and with one to four bytes changed,
/// removed or doubled in `count` ways. Half of the changes are in the first 64 bytes.
template <typename Use>
void forEachDamage(const std::string &good, unsigned count, const Use &use) {
  for (unsigned cut = 0; cut < count; ++cut)
    use(good.substr(0, cut < 64 ? std::min<size_t>(cut, good.size()) : good.size() * cut / count));
  for (uint32_t round = 0; round < count; ++round) {
    std::string bad = good;
    PhiloxCounter random = philox4x32({round, 0, 0, 0}, {17, 4});
    for (unsigned change = 0; change <= random[3] % 4 && !bad.empty(); ++change) {
      PhiloxCounter draw = philox4x32({round, change, 1, 0}, {17, 4});
      size_t range = draw[0] % 2 ? bad.size() : std::min<size_t>(bad.size(), 64);
      size_t place = draw[1] % range;
      switch (draw[2] % 4) {
      case 0:
        bad.erase(place, 1);
        break;
      case 1:
        bad.insert(place, 1, bad[place]);
        break;
      case 2:
        bad[place] = char(bad[place] ^ (1 << draw[3] % 8));
        break;
      default:
        bad[place] = char(draw[3]);
      }
    }
    use(bad);
  }
}

} // namespace danaus::test
