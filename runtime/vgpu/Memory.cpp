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
  State::Met met;
  uint64_t sectors = 0;
  auto conflict = state.write(address, from.size(), HostBlock, met, sectors);
  if (conflict != State::Conflict::None)
    state.findings.push_back(
        {FindingKind::GlobalRace, order.name, 0, 0,
         order.name + " writes what " + state.nameOf(conflict, met.other) +
             " uses, and nothing orders the two: " + state.describe(met.address)});
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
  State::Met met;
  uint64_t sectors = 0;
  auto conflict = state.read(address, to.size(), HostBlock, met, sectors);
  if (conflict != State::Conflict::None) {
    bool unwritten = conflict == State::Conflict::Unwritten;
    state.findings.push_back({unwritten ? FindingKind::Uninitialised : FindingKind::GlobalRace,
                              order.name, 0, 0,
                              order.name +
                                  (unwritten ? " reads what nobody has written: "
                                             : " reads what " + state.nameOf(conflict, met.other) +
                                                   " writes, and nothing orders the two: ") +
                                  state.describe(met.address)});
  }
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
