// What danaus profile prints: a table for people, JSON or CSV for programs.
#pragma once

#include "runtime/profile/KernelProfile.h"

namespace danaus::tool {

enum class ProfileFormat { Table, Json, Csv };

/// To stdout: times, or where the device counts, counters and predicted times.
void printProfile(ProfileFormat format, Measured measured, Executor &executor,
                  const StepProfile &profile);

} // namespace danaus::tool
