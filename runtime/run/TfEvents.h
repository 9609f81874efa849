// TensorBoard's event files, scalars only: protobuf messages (tensorflow/core/util/event.proto,
// framework/summary.proto) encoded by hand, framed as TFRecords with masked CRC-32C.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace danaus {

using EventScalars = std::vector<std::pair<std::string, float>>;

/// The record that must open a file.
std::string eventFileHeader(double wallTime);
/// One record with any number of scalars; wallTime in seconds since 1970.
std::string eventRecord(double wallTime, uint64_t step, const EventScalars &scalars);

/// How many bytes the first `records` whole and undamaged records of a file's content take, and how
/// many there are (at most `records`).
std::pair<uint64_t, uint64_t> measureEventRecords(std::string_view content, uint64_t records);

} // namespace danaus
