// What danaus profile prints: a table for people, JSON or CSV for programs.
#pragma once

#include "runtime/profile/Counters.h"
#include "runtime/profile/KernelProfile.h"
#include "runtime/profile/Roofline.h"

namespace danaus::tool {

/// All that is known of a step.
struct ProfileReport {
  Measured measured;
  Executor &executor;
  const StepProfile &profile;
  std::optional<Roofline> roofline; ///< of the processor, where the kernels ran on it
  /// That KernelProfile::counts are of; null: there are none.
  const PerfCounters *counters = nullptr;
  std::string noCounters; ///< why they are missing where somebody wanted them
};

/// To stdout: times, or where the device counts, counters and predicted times.
void printTable(const ProfileReport &report);
void printJson(const ProfileReport &report);
void printCsv(const ProfileReport &report);

} // namespace danaus::tool
