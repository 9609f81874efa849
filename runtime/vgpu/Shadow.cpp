// Who has touched device memory: see Shadow in Memory.h.
#include "runtime/vgpu/Memory.h"

#include <algorithm>
#include <utility>

namespace danaus::vgpu {

Shadow &Memory::State::shadowOf(uint64_t address) {
  uint64_t number = address / Shadow::Bytes;
  Known &entry = known[number % known.size()];
  if (entry.number != number) {
    std::unique_ptr<Shadow> &shadow = shadows[number];
    if (!shadow) {
      // Units get their content when their sector is split.
      shadow = std::make_unique_for_overwrite<Shadow>();
      std::ranges::fill(shadow->sectors, Shadow::Sector{});
    }
    entry = {number, shadow.get()};
  }
  return *entry.shadow;
}

/// Cheap, and true for all that is in conflict; what is suspect is explained by a second look.
template <Memory::State::Kind kind>
bool Memory::State::isSuspect(const Touched &t, uint32_t block) const {
  bool isWrite = kind == Kind::Write;
  bool written = t.writer == operation, wasRead = t.reader == operation;
  return bool(int(!isWrite) & int(!t.isWritten)) |
         bool(int(written) & int(t.writerBlock != block)) |
         bool(int(!written) & int(t.writer >= firstUnordered)) |
         bool(int(isWrite) & (int(wasRead & (t.readerBlock != block)) |
                              int(!wasRead & (t.reader >= firstUnordered))));
}

template <Memory::State::Kind kind> void Memory::State::mark(Touched &t, uint32_t block) const {
  if (kind == Kind::Write) {
    t = {operation, block, 0, 0, true};
    return;
  }
  t.readerBlock = t.reader == operation && t.readerBlock != block ? Shadow::Many : block;
  t.reader = operation;
}

template <Memory::State::Kind kind>
Memory::State::Conflict Memory::State::explain(const Touched &t, uint32_t block,
                                               uint32_t &other) const {
  if (t.writer != 0 && (t.writer == operation ? t.writerBlock != block : !isBefore(t.writer))) {
    other = t.writer == operation ? t.writerBlock : t.writer;
    return t.writer == operation ? Conflict::Write : Conflict::EarlierWrite;
  }
  if (kind == Kind::Write && t.reader != 0 &&
      (t.reader == operation ? t.readerBlock != block : !isBefore(t.reader))) {
    other = t.reader == operation ? t.readerBlock : t.reader;
    return t.reader == operation ? Conflict::Read : Conflict::EarlierRead;
  }
  return kind == Kind::Read && !t.isWritten ? Conflict::Unwritten : Conflict::None;
}

/// Units first to last of a sector, which becomes split, or is made whole again where they are
/// alike after it.
template <Memory::State::Kind kind>
Memory::State::Conflict Memory::State::touchUnits(Shadow &shadow, uint32_t sector, uint32_t first,
                                                  uint32_t last, uint32_t block, uint64_t base,
                                                  Met &met) {
  Shadow::Sector &whole = shadow.sectors[sector];
  Touched *units = shadow.units + sector * Shadow::SectorUnits;
  if (!whole.isSplit) {
    // Where it tells nothing new, it stays whole.
    Touched after = whole;
    mark<kind>(after, block);
    if (!isSuspect<kind>(whole, block) && after == whole)
      return Conflict::None;
    std::fill_n(units, Shadow::SectorUnits, Touched(whole));
    whole.isSplit = true;
  }
  Conflict worst = Conflict::None;
  for (uint32_t unit = first; unit <= last; ++unit) {
    if (worst == Conflict::None && isSuspect<kind>(units[unit], block)) {
      worst = explain<kind>(units[unit], block, met.other);
      met.address = base + 2 * unit;
    }
    mark<kind>(units[unit], block);
  }
  if (last == Shadow::SectorUnits - 1 &&
      std::all_of(units, units + last, [&](const Touched &t) { return t == units[last]; })) {
    static_cast<Touched &>(whole) = units[last];
    whole.isSplit = false;
  }
  return worst;
}

template <Memory::State::Kind kind>
Memory::State::Conflict Memory::State::touch(uint64_t address, uint64_t bytes, uint32_t block,
                                             Met &met, uint64_t &newSectors) {
  constexpr uint64_t sectorBytes = 2 * Shadow::SectorUnits;
  Conflict worst = Conflict::None;
  uint64_t end = address + bytes;
  for (uint64_t base = address / sectorBytes * sectorBytes; base < end; base += sectorBytes) {
    Shadow &shadow = shadowOf(base);
    uint32_t number = uint32_t(base % Shadow::Bytes / sectorBytes);
    Shadow::Sector &sector = shadow.sectors[number];
    newSectors += std::exchange(kind == Kind::Read ? sector.lastRead : sector.lastWrite,
                                operation) != operation;
    bool isWhole = base >= address && base + sectorBytes <= end;
    Conflict conflict = Conflict::None;
    Met here{0, base};
    if (isWhole && !sector.isSplit) {
      if (isSuspect<kind>(sector, block))
        conflict = explain<kind>(sector, block, here.other);
      mark<kind>(sector, block);
    } else {
      uint32_t first = uint32_t(std::max(base, address) - base) / 2;
      uint32_t last = uint32_t(std::min(base + sectorBytes, end) - base - 1) / 2;
      conflict = touchUnits<kind>(shadow, number, first, last, block, base, here);
    }
    if (worst == Conflict::None && conflict != Conflict::None) {
      worst = conflict;
      met = here;
    }
  }
  return worst;
}

Memory::State::Conflict Memory::State::read(uint64_t address, uint64_t bytes, uint32_t block,
                                            Met &met, uint64_t &newSectors) {
  return touch<Kind::Read>(address, bytes, block, met, newSectors);
}

Memory::State::Conflict Memory::State::write(uint64_t address, uint64_t bytes, uint32_t block,
                                             Met &met, uint64_t &newSectors) {
  return touch<Kind::Write>(address, bytes, block, met, newSectors);
}

} // namespace danaus::vgpu
