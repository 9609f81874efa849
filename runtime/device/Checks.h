// Checks that every device makes before it touches memory, so that all say the same.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

/// CheckpointInvalid unless every index and offset of `program` is in range for an arena.
Status checkProgram(const ProgramSpec &program, uint64_t arenaBytes);

/// Internal unless [offset, offset + bytes) lies in an arena.
Status checkCopy(uint64_t arenaBytes, uint64_t offset, uint64_t bytes);

/// Human units: "1.5 GiB".
std::string formatBytes(uint64_t bytes);

} // namespace danaus
