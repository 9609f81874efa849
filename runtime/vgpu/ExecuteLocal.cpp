// Handlers of a thread's own memory: ld.local, st.local. It lies lane by lane; on a GPU words of
// neighbouring lanes are neighbours, so that what a warp accesses together is counted as such.
#include "runtime/vgpu/MemoryAccess.h"

namespace danaus::vgpu {

namespace {

/// Whether all lanes are aligned and inside their memory; counts the access.
bool checkLocal(Warp &w, const Instruction &in, const Addresses &at, const char *what) {
  uint32_t bytes = uint32_t(in.bytes) * in.count, size = w.block->kernel->localBytes;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int lane = firstLane(left);
    uint64_t address = at[size_t(lane)];
    bool isAligned = address % bytes == 0;
    if (isAligned && address < size && bytes <= size - address)
      continue;
    w.block->fail(isAligned ? FindingKind::OutOfBounds : FindingKind::Misaligned, w, in, lane,
                  format("%s of %u bytes at local address %llu, and a thread has %u bytes", what,
                         bytes, (unsigned long long)address, size));
    return false;
  }
  InstructionCounters &own = w.block->countersOf(in);
  uint32_t sectors = (bytes * unsigned(std::popcount(w.mask)) + 31) / 32;
  ++own.requests;
  own.sectors += sectors;
  own.idealSectors += sectors;
  return true;
}

} // namespace

void loadLocalAt(Warp &w, const Instruction &in, const Addresses &at) {
  if (!checkLocal(w, in, at, "a load"))
    return;
  uint32_t bytes = uint32_t(in.bytes) * in.count, size = w.block->kernel->localBytes;
  forEachLane(w.mask, [&](unsigned lane) {
    size_t place = size_t(lane) * size + at[lane];
    for (uint32_t i = 0; i < bytes; ++i)
      if (!w.localWritten[place + i])
        return w.block->report(FindingKind::Uninitialised, w, in, int(lane),
                               format("reads local memory that it has not written: address %llu",
                                      (unsigned long long)at[lane]));
    loadElements(w, in, lane, w.local.data() + place);
  });
}

void storeLocalAt(Warp &w, const Instruction &in, const Addresses &at) {
  if (!checkLocal(w, in, at, "a store"))
    return;
  uint32_t bytes = uint32_t(in.bytes) * in.count, size = w.block->kernel->localBytes;
  forEachLane(w.mask, [&](unsigned lane) {
    size_t place = size_t(lane) * size + at[lane];
    storeElements(w, in, lane, w.local.data() + place);
    std::fill_n(w.localWritten.begin() + long(place), bytes, uint8_t(1));
  });
}

void loadLocal(Warp &w, const Instruction &in) { loadLocalAt(w, in, addressesOf(w, in)); }
void storeLocal(Warp &w, const Instruction &in) { storeLocalAt(w, in, addressesOf(w, in)); }

} // namespace danaus::vgpu
