// An arena in host memory, for the devices that compute there.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

class HostArena final : public Arena {
public:
  /// Refuses more than `memoryBytes`, which is what the machine has.
  static Expected<std::unique_ptr<Arena>> allocate(uint64_t bytes, uint64_t memoryBytes);
  ~HostArena() override;

  uint64_t bytes() const override { return size; }
  std::byte *host() override { return start; }

private:
  HostArena(std::byte *start, uint64_t size, uint64_t mapped)
      : start(start), size(size), mapped(mapped) {}

  std::byte *start;
  uint64_t size, mapped;
};

Status copyIntoHostArena(Arena &arena, uint64_t offset, std::span<const std::byte> from);
Status copyFromHostArena(Arena &arena, uint64_t offset, std::span<std::byte> to);

} // namespace danaus
