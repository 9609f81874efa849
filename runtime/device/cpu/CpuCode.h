// A shared object loaded from memory.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/plan/KernelAbi.h"

namespace danaus {

class CpuCode final : public Code {
public:
  /// CheckpointInvalid when the bytes are no shared object that this machine can load.
  static Expected<std::unique_ptr<Code>> load(std::span<const std::byte> bytes);
  ~CpuCode() override;

  /// CheckpointInvalid when there is no such symbol.
  Expected<KernelFunction> find(const std::string &symbol) const;

private:
  explicit CpuCode(int descriptor) : descriptor(descriptor) {}

  // Open as long as the library: the dynamic linker knows libraries by path, and would give this
  // one in place of the next that came by under the same descriptor number.
  int descriptor;
  void *library = nullptr;
};

} // namespace danaus
