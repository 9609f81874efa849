// See SharedMemory.h.
#include "runtime/vgpu/SharedMemory.h"

#include <algorithm>

namespace danaus::vgpu {

void SharedMemory::reset(uint32_t bytes) {
  content.assign(bytes, 0xCD);
  uint32_t count = (bytes + CellBytes - 1) / CellBytes;
  cells.assign(count, Cell{{0, 0, Unwritten}, false});
  units.resize(count * CellUnits); // they get their content when their cell is split
  epoch = 1;
}

/// Marks a piece; says what stands against it.
template <SharedMemory::Kind kind>
SharedMemory::Conflict SharedMemory::touchOne(Touched &t, uint32_t mark, uint32_t &other) const {
  bool isWrite = kind != Kind::Read;
  bool written = (t.writer / 64 == epoch) & (t.writer != mark);
  bool wasRead = (t.reader / 64 == epoch) & (t.reader != mark);
  bool isPending = t.state == Pending && kind != Kind::FinishCopy;
  bool isUnwritten = !isWrite && t.state == Unwritten;
  Conflict conflict = Conflict::None;
  if (isPending | isUnwritten | written | (isWrite & wasRead)) {
    conflict = written || (isWrite && wasRead) ? Conflict::Race
               : isPending                     ? Conflict::Pending
                                               : Conflict::Unwritten;
    other = (written ? t.writer : t.reader) % 64;
  }
  if (isWrite)
    t = {mark, 0, kind == Kind::StartCopy ? Pending : Written};
  else
    t.reader = wasRead ? epoch * 64 + Many : mark;
  return conflict;
}

template <SharedMemory::Kind kind>
SharedMemory::Conflict SharedMemory::touch(uint32_t offset, uint32_t bytes, uint32_t warp,
                                           uint32_t &other, uint32_t &at) {
  const uint32_t mark = epoch * 64 + warp, end = offset + bytes;
  Conflict worst = Conflict::None;
  auto touchPiece = [&](Touched &piece, uint32_t place) {
    uint32_t who = 0;
    Conflict conflict = touchOne<kind>(piece, mark, who);
    if (conflict <= worst)
      return;
    worst = conflict;
    at = place;
    other = who;
  };
  for (uint32_t number = offset / CellBytes; number * CellBytes < end; ++number) {
    Cell &cell = cells[number];
    uint32_t begin = std::max(number * CellBytes, offset),
             stop = std::min((number + 1) * CellBytes, end);
    Touched *own = units.data() + number * CellUnits;
    if (!cell.isSplit && stop - begin == CellBytes) {
      touchPiece(cell, begin);
      continue;
    }
    if (!cell.isSplit) {
      // Where it tells nothing new, it stays whole.
      Touched after = cell;
      uint32_t who;
      if (touchOne<kind>(after, mark, who) == Conflict::None && after == cell)
        continue;
      std::fill_n(own, CellUnits, Touched(cell));
      cell.isSplit = true;
    }
    for (uint32_t unit = begin % CellBytes / 2; 2 * unit < stop - number * CellBytes; ++unit)
      touchPiece(own[unit], number * CellBytes + 2 * unit);
    if (stop % CellBytes == 0 &&
        std::all_of(own + 1, own + CellUnits, [&](const Touched &t) { return t == own[0]; })) {
      static_cast<Touched &>(cell) = own[0];
      cell.isSplit = false;
    }
  }
  return worst;
}

SharedMemory::Conflict SharedMemory::read(uint32_t offset, uint32_t bytes, uint32_t warp,
                                          uint32_t &other, uint32_t &at) {
  return touch<Kind::Read>(offset, bytes, warp, other, at);
}
SharedMemory::Conflict SharedMemory::write(uint32_t offset, uint32_t bytes, uint32_t warp,
                                           uint32_t &other, uint32_t &at) {
  return touch<Kind::Write>(offset, bytes, warp, other, at);
}
SharedMemory::Conflict SharedMemory::startCopy(uint32_t offset, uint32_t bytes, uint32_t warp,
                                               uint32_t &other, uint32_t &at) {
  return touch<Kind::StartCopy>(offset, bytes, warp, other, at);
}
SharedMemory::Conflict SharedMemory::finishCopy(uint32_t offset, uint32_t bytes, uint32_t warp,
                                                uint32_t &other, uint32_t &at) {
  return touch<Kind::FinishCopy>(offset, bytes, warp, other, at);
}

} // namespace danaus::vgpu
