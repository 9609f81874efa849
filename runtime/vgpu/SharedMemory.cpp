// See SharedMemory.h.
#include "runtime/vgpu/SharedMemory.h"

#include <algorithm>

namespace danaus::vgpu {

void SharedMemory::reset(uint32_t bytes) {
  content.assign(bytes, 0xCD);
  units.assign((bytes + 1) / 2, Unit());
  epoch = 1;
}

SharedMemory::Conflict SharedMemory::check(Unit &unit, uint16_t warp, bool isWrite,
                                           uint32_t &other) {
  if (unit.state == Pending)
    return Conflict::Pending;
  Conflict conflict = Conflict::None;
  if (!isWrite && unit.state == Unwritten)
    conflict = Conflict::Unwritten;
  if (unit.writeEpoch == epoch && unit.writer != warp) {
    other = unit.writer;
    conflict = Conflict::Race;
  }
  if (isWrite && unit.readEpoch == epoch && unit.reader != warp) {
    other = unit.reader;
    conflict = Conflict::Race;
  }
  if (isWrite) {
    unit.writeEpoch = epoch;
    unit.writer = warp;
    unit.state = Written;
  } else {
    unit.reader = unit.readEpoch == epoch && unit.reader != warp ? Many : warp;
    unit.readEpoch = epoch;
  }
  return conflict;
}

SharedMemory::Conflict SharedMemory::read(uint32_t offset, uint32_t bytes, uint16_t warp,
                                          uint32_t &other) {
  Conflict worst = Conflict::None;
  for (uint32_t unit = offset / 2; unit <= (offset + bytes - 1) / 2; ++unit)
    worst = std::max(worst, check(units[unit], warp, false, other));
  return worst;
}

SharedMemory::Conflict SharedMemory::write(uint32_t offset, uint32_t bytes, uint16_t warp,
                                           uint32_t &other) {
  Conflict worst = Conflict::None;
  for (uint32_t unit = offset / 2; unit <= (offset + bytes - 1) / 2; ++unit)
    worst = std::max(worst, check(units[unit], warp, true, other));
  return worst;
}

SharedMemory::Conflict SharedMemory::startCopy(uint32_t offset, uint32_t bytes, uint16_t warp,
                                               uint32_t &other) {
  Conflict worst = write(offset, bytes, warp, other);
  for (uint32_t unit = offset / 2; unit <= (offset + bytes - 1) / 2; ++unit)
    units[unit].state = Pending;
  return worst;
}

SharedMemory::Conflict SharedMemory::finishCopy(uint32_t offset, uint32_t bytes, uint16_t warp,
                                                uint32_t &other) {
  for (uint32_t unit = offset / 2; unit <= (offset + bytes - 1) / 2; ++unit)
    units[unit].state = Written;
  return write(offset, bytes, warp, other);
}

} // namespace danaus::vgpu
