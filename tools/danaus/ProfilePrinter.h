// What danaus profile prints: a table for people, JSON or CSV for programs.
#pragma once

#include "runtime/profile/KernelProfile.h"
#include "runtime/profile/Roofline.h"

namespace danaus::tool {

enum class ProfileFormat { Table, Json, Csv };

/// To stdout: times, or where the device counts, counters and predicted times. `roofline`: of the
/// processor, where the kernels ran on it.
void printProfile(ProfileFormat format, Measured measured, Executor &executor,
                  const StepProfile &profile, const std::optional<Roofline> &roofline);

} // namespace danaus::tool
