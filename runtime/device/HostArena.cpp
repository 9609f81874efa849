// Host arenas are fresh pages from the system: zeroed, page-aligned, and in huge pages when large,
// because kernels walk panels that would otherwise miss the TLB on every row.
#include "runtime/device/HostArena.h"

#include "runtime/device/Checks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace danaus {

namespace {

constexpr uint64_t PageBytes = 4096;
constexpr uint64_t HugePageBytes = 2 << 20;

constexpr uint64_t roundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

Error outOfMemory(uint64_t bytes, const std::string &why) {
  return Error(ExitCode::DeviceUnavailable,
               format("cannot allocate an arena of %zu bytes (%s): %s", size_t(bytes),
                      formatBytes(bytes).c_str(), why.c_str()));
}

/// Maps `bytes` zeroed bytes that start at a multiple of a huge page; null if the system refuses.
std::byte *mapHuge(uint64_t bytes) {
  void *raw = ::mmap(nullptr, bytes + HugePageBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED)
    return nullptr;
  auto *begin = static_cast<std::byte *>(raw);
  uint64_t before = roundUp(uint64_t(begin), HugePageBytes) - uint64_t(begin);
  if (before > 0)
    ::munmap(begin, before);
  if (before < HugePageBytes)
    ::munmap(begin + before + bytes, HugePageBytes - before);
  ::madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

std::byte *mapSmall(uint64_t bytes) {
  void *raw = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return raw == MAP_FAILED ? nullptr : static_cast<std::byte *>(raw);
}

} // namespace

Expected<std::unique_ptr<Arena>> HostArena::allocate(uint64_t bytes, uint64_t memoryBytes) {
  if (bytes > memoryBytes)
    return outOfMemory(bytes, "this machine has " + formatBytes(memoryBytes) +
                                  "; a smaller batch_size needs less");
  bool large = bytes >= HugePageBytes;
  uint64_t mapped = roundUp(std::max<uint64_t>(bytes, 1), PageBytes);
  std::byte *start = large ? mapHuge(mapped) : mapSmall(mapped);
  if (!start)
    return outOfMemory(bytes, std::strerror(errno));
  return std::unique_ptr<Arena>(new HostArena(start, bytes, mapped));
}

HostArena::~HostArena() { ::munmap(start, mapped); }

Status copyIntoHostArena(Arena &arena, uint64_t offset, std::span<const std::byte> from) {
  if (Status status = checkCopy(arena.bytes(), offset, from.size()); !status)
    return status;
  if (!from.empty())
    std::memcpy(arena.host() + offset, from.data(), from.size());
  return Status::ok();
}

Status copyFromHostArena(Arena &arena, uint64_t offset, std::span<std::byte> to) {
  if (Status status = checkCopy(arena.bytes(), offset, to.size()); !status)
    return status;
  if (!to.empty())
    std::memcpy(to.data(), arena.host() + offset, to.size());
  return Status::ok();
}

} // namespace danaus
