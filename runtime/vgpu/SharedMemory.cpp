// See SharedMemory.h. The loops are branchless, so that they become vector code; what they find is
// explained by a second look.
#include "runtime/vgpu/SharedMemory.h"

#include <algorithm>

namespace danaus::vgpu {

void SharedMemory::reset(uint32_t bytes) {
  content.assign(bytes, 0xCD);
  uint32_t units = (bytes + 1) / 2;
  writers.assign(units, 0);
  readers.assign(units, 0);
  states.assign(units, Unwritten);
  epoch = 1;
}

SharedMemory::Conflict SharedMemory::explain(uint32_t first, uint32_t last, uint32_t mark,
                                             bool isWrite, uint32_t &other, uint32_t &at) const {
  Conflict worst = Conflict::None;
  auto found = [&](Conflict conflict, uint32_t unit, uint32_t who) {
    if (conflict <= worst)
      return;
    worst = conflict;
    at = 2 * unit;
    other = who % 64;
  };
  for (uint32_t unit = first; unit <= last; ++unit) {
    if (states[unit] == Pending)
      found(Conflict::Pending, unit, 0);
    else if (!isWrite && states[unit] == Unwritten)
      found(Conflict::Unwritten, unit, 0);
    if (writers[unit] / 64 == epoch && writers[unit] != mark)
      found(Conflict::Race, unit, writers[unit]);
    if (isWrite && readers[unit] / 64 == epoch && readers[unit] != mark)
      found(Conflict::Race, unit, readers[unit]);
  }
  return worst;
}

SharedMemory::Conflict SharedMemory::read(uint32_t offset, uint32_t bytes, uint32_t warp,
                                          uint32_t &other, uint32_t &at) {
  uint32_t first = offset / 2, last = (offset + bytes - 1) / 2;
  const uint32_t now = epoch, mark = now * 64 + warp, many = now * 64 + Many;
  uint32_t bad = 0;
  const uint32_t *writer = writers.data();
  const uint8_t *state = states.data();
  uint32_t *reader = readers.data();
  for (uint32_t unit = first; unit <= last; ++unit) {
    bad |= uint32_t(writer[unit] / 64 == now) & uint32_t(writer[unit] != mark);
    bad |= uint32_t(state[unit] != Written);
    bool shared = (reader[unit] / 64 == now) & (reader[unit] != mark);
    reader[unit] = shared ? many : mark;
  }
  return bad ? explain(first, last, mark, false, other, at) : Conflict::None;
}

SharedMemory::Conflict SharedMemory::write(uint32_t offset, uint32_t bytes, uint32_t warp,
                                           uint32_t &other, uint32_t &at) {
  uint32_t first = offset / 2, last = (offset + bytes - 1) / 2;
  const uint32_t now = epoch, mark = now * 64 + warp;
  uint32_t bad = 0;
  uint32_t *writer = writers.data();
  const uint32_t *reader = readers.data();
  uint8_t *state = states.data();
  for (uint32_t unit = first; unit <= last; ++unit) {
    bad |= uint32_t(writer[unit] / 64 == now) & uint32_t(writer[unit] != mark);
    bad |= uint32_t(reader[unit] / 64 == now) & uint32_t(reader[unit] != mark);
    bad |= uint32_t(state[unit] == Pending);
  }
  Conflict conflict = bad ? explain(first, last, mark, true, other, at) : Conflict::None;
  for (uint32_t unit = first; unit <= last; ++unit) {
    writer[unit] = mark;
    state[unit] = Written;
  }
  return conflict;
}

SharedMemory::Conflict SharedMemory::startCopy(uint32_t offset, uint32_t bytes, uint32_t warp,
                                               uint32_t &other, uint32_t &at) {
  Conflict conflict = write(offset, bytes, warp, other, at);
  std::fill(states.begin() + offset / 2, states.begin() + (offset + bytes + 1) / 2, Pending);
  return conflict;
}

SharedMemory::Conflict SharedMemory::finishCopy(uint32_t offset, uint32_t bytes, uint32_t warp,
                                                uint32_t &other, uint32_t &at) {
  std::fill(states.begin() + offset / 2, states.begin() + (offset + bytes + 1) / 2, Written);
  return write(offset, bytes, warp, other, at);
}

} // namespace danaus::vgpu
