// What the virtual GPU records of kernels and copies for CUPTI's interface: InterfaceActivities.cpp
// hands it out.
#pragma once

#include "runtime/device/cuda/CuptiTypes.h"

#include <chrono>
#include <vector>

namespace danaus::vgpu {

struct Activities {
  struct Record {
    cuda::ActivityKind kind;
    uint32_t device, stream;
    uint64_t start, end; ///< of now()
    const char *kernel;  ///< lives as long as the process
    cuda::CopyKind copy;
    uint64_t bytes;
  };

  bool areForbidden = false; ///< as where only root may profile
  bool takesKernels = false, takesCopies = false;
  std::vector<Record> records;

  bool takes(cuda::ActivityKind kind) const {
    return kind == cuda::ActivityOfKernel ? takesKernels : takesCopies;
  }

  /// CUPTI's clock: not that of its users, who must align theirs.
  static uint64_t now() {
    constexpr uint64_t ahead = 1'000'000'000'000;
    return ahead +
           uint64_t(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch())
                        .count());
  }
};

/// A kernel or a copy, as long as the scope.
class RecordedActivity {
public:
  RecordedActivity(Activities &owner, Activities::Record what)
      : owner(owner.takes(what.kind) ? &owner : nullptr), record(what) {
    if (this->owner)
      record.start = Activities::now();
  }
  ~RecordedActivity() {
    if (!owner)
      return;
    record.end = Activities::now();
    owner->records.push_back(record);
  }
  RecordedActivity(const RecordedActivity &) = delete;

private:
  Activities *owner;
  Activities::Record record;
};

} // namespace danaus::vgpu
