// See Memory.h: allocations with red zones, shadows, and the face that the driver sees.
#include "runtime/vgpu/Memory.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace danaus::vgpu {

namespace {
/// Unused bytes before and behind every allocation.
constexpr uint64_t RedZone = 4096;
constexpr uint64_t Alignment = 256;

uint64_t roundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }
} // namespace

Memory::State::State(uint64_t capacity) : capacity(capacity) {
  // Address space alone: pages cost memory when they are written.
  reserved = roundUp(16 * capacity + (uint64_t(64) << 20), Shadow::Bytes);
  void *mapped = ::mmap(nullptr, reserved + Shadow::Bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    reserved = 0;
    return;
  }
  base = static_cast<std::byte *>(mapped);
  uint64_t start = roundUp(reinterpret_cast<uint64_t>(base), Shadow::Bytes);
  freeRanges[start] = reinterpret_cast<uint64_t>(base) + reserved + Shadow::Bytes - start;
}

Memory::State::~State() {
  if (base)
    ::munmap(base, reserved + Shadow::Bytes);
}

void Memory::State::begin(const Order &order) {
  operation = uint32_t(done.size() + 1);
  operationName = order.name;
  // Operations of lanes are numbered in order: an operation is before this one when its lane says
  // so.
  auto isOrdered = [&](const Done &earlier) {
    if (earlier.lane == order.lane)
      return true;
    return earlier.lane < order.after.size() && order.after[earlier.lane] >= earlier.sequence;
  };
  // What was ordered before once stays so only for this lane; look at all that any lane may miss.
  firstUnordered = operation;
  ordered.clear();
  for (uint32_t i = operation - 1; i > 0 && operation - i < 4096; --i)
    if (!isOrdered(done[i - 1]))
      firstUnordered = i;
  for (uint32_t i = firstUnordered; i < operation; ++i)
    ordered.push_back(isOrdered(done[i - 1]));
  done.push_back({order.lane, order.sequence, order.name});
}

bool Memory::State::contains(uint64_t address, uint64_t bytes) {
  if (address >= lastStart && address < lastEnd && bytes <= lastEnd - address)
    return true;
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin())
    return false;
  auto [start, size] = *std::prev(next);
  if (address - start >= size || bytes > size - (address - start))
    return false;
  lastStart = start;
  lastEnd = start + size;
  return true;
}

Shadow &Memory::State::shadowOf(uint64_t address) {
  uint64_t number = address / Shadow::Bytes;
  if (number != lastShadow) {
    std::unique_ptr<Shadow> &shadow = shadows[number];
    if (!shadow) {
      shadow = std::make_unique<Shadow>();
      std::memset(static_cast<void *>(shadow.get()), 0, sizeof(Shadow));
    }
    lastShadow = number;
    lastShadowAt = shadow.get();
  }
  return *lastShadowAt;
}

std::string Memory::State::describe(uint64_t address) const {
  auto next = allocations.upper_bound(address);
  std::string text = format("address 0x%llx", (unsigned long long)address);
  auto bytesAt = [](uint64_t start, uint64_t size) {
    return format("the %llu bytes at 0x%llx", (unsigned long long)size, (unsigned long long)start);
  };
  if (next != allocations.begin()) {
    auto [start, size] = *std::prev(next);
    if (address < start + size)
      return text + " (" + format("%llu", (unsigned long long)(address - start)) + " into " +
             bytesAt(start, size) + ")";
    if (address - start - size < RedZone)
      return text +
             format(", %llu bytes past the end of ", (unsigned long long)(address - start - size)) +
             bytesAt(start, size);
  }
  if (next != allocations.end() && next->first - address <= RedZone)
    return text + format(", %llu bytes before ", (unsigned long long)(next->first - address)) +
           bytesAt(next->first, next->second);
  return text + ", in no allocation";
}

std::string Memory::State::nameOf(Conflict conflict, uint32_t other) const {
  if (conflict == Conflict::EarlierRead || conflict == Conflict::EarlierWrite)
    return other >= 1 && other <= done.size() ? done[other - 1].name : "another operation";
  return other == Shadow::Many ? "other blocks" : format("block %u", other);
}

/// A second look at what the branchless loops below have found.
Memory::State::Conflict Memory::State::explain(const Shadow &shadow, uint32_t first, uint32_t last,
                                               uint32_t block, bool isWrite,
                                               uint32_t &other) const {
  for (uint32_t unit = first; unit <= last; ++unit) {
    uint32_t writer = shadow.writer[unit], reader = shadow.reader[unit];
    if (writer != 0 &&
        (writer == operation ? shadow.writerBlock[unit] != block : !isBefore(writer))) {
      other = writer == operation ? shadow.writerBlock[unit] : writer;
      return writer == operation ? Conflict::Write : Conflict::EarlierWrite;
    }
    if (isWrite && reader != 0 &&
        (reader == operation ? shadow.readerBlock[unit] != block : !isBefore(reader))) {
      other = reader == operation ? shadow.readerBlock[unit] : reader;
      return reader == operation ? Conflict::Read : Conflict::EarlierRead;
    }
  }
  for (uint32_t unit = first; unit <= last; ++unit)
    if (!isWrite && !shadow.isWritten[unit])
      return Conflict::Unwritten;
  return Conflict::None;
}

Memory::State::Conflict Memory::State::read(uint64_t address, uint32_t bytes, uint32_t block,
                                            uint32_t &other, uint64_t &newSectors) {
  Shadow &shadow = shadowOf(address);
  uint32_t first = uint32_t(address % Shadow::Bytes) / 2;
  uint32_t last = uint32_t((address + bytes - 1) % Shadow::Bytes) / 2;
  uint32_t bad = 0;
  const uint32_t now = operation, unordered = firstUnordered;
  for (uint32_t unit = first; unit <= last; ++unit) {
    bool ours = shadow.writer[unit] == now;
    bad |= uint32_t(!shadow.isWritten[unit]);
    bad |= uint32_t(ours) & uint32_t(shadow.writerBlock[unit] != block);
    bad |= uint32_t(!ours) & uint32_t(shadow.writer[unit] >= unordered);
  }
  for (uint32_t unit = first; unit <= last; ++unit) {
    bool many = (shadow.reader[unit] == now) & (shadow.readerBlock[unit] != block);
    shadow.readerBlock[unit] = many ? Shadow::Many : block;
    shadow.reader[unit] = now;
  }
  for (uint32_t sector = first / 16; sector <= last / 16; ++sector)
    newSectors += std::exchange(shadow.readSector[sector], now) != now;
  return bad ? explain(shadow, first, last, block, false, other) : Conflict::None;
}

Memory::State::Conflict Memory::State::write(uint64_t address, uint32_t bytes, uint32_t block,
                                             uint32_t &other, uint64_t &newSectors) {
  Shadow &shadow = shadowOf(address);
  uint32_t first = uint32_t(address % Shadow::Bytes) / 2;
  uint32_t last = uint32_t((address + bytes - 1) % Shadow::Bytes) / 2;
  uint32_t bad = 0;
  const uint32_t now = operation, unordered = firstUnordered;
  for (uint32_t unit = first; unit <= last; ++unit) {
    bool written = shadow.writer[unit] == now, wasRead = shadow.reader[unit] == now;
    bad |= uint32_t(written) & uint32_t(shadow.writerBlock[unit] != block);
    bad |= uint32_t(wasRead) & uint32_t(shadow.readerBlock[unit] != block);
    bad |= uint32_t(!written) & uint32_t(shadow.writer[unit] >= unordered);
    bad |= uint32_t(!wasRead) & uint32_t(shadow.reader[unit] >= unordered);
  }
  Conflict conflict = bad ? explain(shadow, first, last, block, true, other) : Conflict::None;
  for (uint32_t unit = first; unit <= last; ++unit) {
    shadow.writer[unit] = now;
    shadow.writerBlock[unit] = block;
    shadow.isWritten[unit] = 1;
  }
  for (uint32_t sector = first / 16; sector <= last / 16; ++sector)
    newSectors += std::exchange(shadow.writtenSector[sector], now) != now;
  return conflict;
}

// --- the face
// -------------------------------------------------------------------------------------

Memory::Memory(uint64_t capacity) : content(std::make_unique<State>(capacity)) {}
Memory::~Memory() = default;

uint64_t Memory::capacity() const { return content->capacity; }
uint64_t Memory::used() const { return content->used; }

Expected<uint64_t> Memory::allocate(uint64_t bytes) {
  State &state = *content;
  uint64_t size = std::max<uint64_t>(bytes, 1);
  if (size > state.capacity - state.used)
    return Error(ExitCode::DeviceUnavailable,
                 format("out of memory: %llu bytes asked for, %llu of %llu free",
                        (unsigned long long)bytes,
                        (unsigned long long)(state.capacity - state.used),
                        (unsigned long long)state.capacity));
  uint64_t needed = roundUp(size, Alignment) + 2 * RedZone;
  for (auto range = state.freeRanges.begin(); range != state.freeRanges.end(); ++range) {
    auto [start, free] = *range;
    if (free < needed)
      continue;
    state.freeRanges.erase(range);
    if (free > needed)
      state.freeRanges[start + needed] = free - needed;
    uint64_t address = start + RedZone;
    state.allocations[address] = size;
    state.used += size;
    return address;
  }
  return Error(ExitCode::DeviceUnavailable, "out of address space");
}

Status Memory::free(uint64_t address) {
  State &state = *content;
  auto found = state.allocations.find(address);
  if (found == state.allocations.end())
    return Error(ExitCode::Usage, "nothing to free at " + state.describe(address));
  // The addresses are not used again: a use after free is then always found.
  uint64_t size = found->second;
  state.used -= size;
  state.allocations.erase(found);
  state.forget();
  uint64_t begin = roundUp(address, 4096), end = (address + size) / 4096 * 4096;
  if (end > begin)
    ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
  return Status::ok();
}

bool Memory::find(uint64_t address, uint64_t &start, uint64_t &bytes) const {
  auto next = content->allocations.upper_bound(address);
  if (next == content->allocations.begin())
    return false;
  std::tie(start, bytes) = *std::prev(next);
  return address - start < bytes;
}

namespace {
/// Host accesses go page of shadow by page of shadow.
template <typename F> void forPieces(uint64_t address, uint64_t bytes, F f) {
  while (bytes > 0) {
    uint64_t piece = std::min(bytes, Shadow::Bytes - address % Shadow::Bytes);
    f(address, uint32_t(piece));
    address += piece;
    bytes -= piece;
  }
}

Error outside(const Memory::State &state, const char *what, uint64_t bytes, uint64_t address) {
  return Error(ExitCode::Internal,
               format("%s of %llu bytes runs outside: ", what, (unsigned long long)bytes) +
                   state.describe(address));
}

constexpr uint32_t HostBlock = 0xFFFFFFF0u;
} // namespace

Status Memory::write(uint64_t address, std::span<const std::byte> from, const Order &order) {
  State &state = *content;
  state.begin(order);
  if (from.empty())
    return Status::ok();
  if (!state.contains(address, from.size()))
    return outside(state, "a write", from.size(), address);
  bool raced = false;
  forPieces(address, from.size(), [&](uint64_t at, uint32_t bytes) {
    uint32_t other = 0;
    uint64_t sectors = 0;
    auto conflict = state.write(at, bytes, HostBlock, other, sectors);
    if (conflict != State::Conflict::None && !std::exchange(raced, true))
      state.findings.push_back({FindingKind::GlobalRace, order.name, 0, 0,
                                order.name + " writes what " + state.nameOf(conflict, other) +
                                    " uses, and nothing orders the two: " + state.describe(at)});
  });
  std::memcpy(reinterpret_cast<void *>(address), from.data(), from.size());
  return Status::ok();
}

Status Memory::read(uint64_t address, std::span<std::byte> to, const Order &order) {
  State &state = *content;
  state.begin(order);
  if (to.empty())
    return Status::ok();
  if (!state.contains(address, to.size()))
    return outside(state, "a read", to.size(), address);
  bool found = false;
  forPieces(address, to.size(), [&](uint64_t at, uint32_t bytes) {
    uint32_t other = 0;
    uint64_t sectors = 0;
    auto conflict = state.read(at, bytes, HostBlock, other, sectors);
    if (conflict == State::Conflict::None || std::exchange(found, true))
      return;
    bool unwritten = conflict == State::Conflict::Unwritten;
    state.findings.push_back({unwritten ? FindingKind::Uninitialised : FindingKind::GlobalRace,
                              order.name, 0, 0,
                              order.name +
                                  (unwritten ? " reads what nobody has written: "
                                             : " reads what " + state.nameOf(conflict, other) +
                                                   " writes, and nothing orders the two: ") +
                                  state.describe(at)});
  });
  std::memcpy(to.data(), reinterpret_cast<const void *>(address), to.size());
  return Status::ok();
}

Status Memory::fill(uint64_t address, std::span<const std::byte> pattern, uint64_t count,
                    const Order &order) {
  std::vector<std::byte> bytes(pattern.size() * count);
  for (uint64_t i = 0; i < count; ++i)
    std::ranges::copy(pattern, bytes.begin() + long(i * pattern.size()));
  return write(address, bytes, order);
}

std::vector<Finding> Memory::takeFindings() { return std::exchange(content->findings, {}); }

} // namespace danaus::vgpu
