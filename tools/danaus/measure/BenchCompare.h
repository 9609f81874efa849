// danaus bench --compare: two models in turns, so that whatever the machine does meets both.
#pragma once

#include "runtime/measure/Measure.h"

#include <string>
#include <vector>

namespace danaus::tool {

/// Of a sample: the middle one (of an even number the mean of the two), the least and the most.
struct SampleRange {
  double median = 0, least = 0, most = 0;
};
/// All zero for an empty sample.
SampleRange rangeOf(std::vector<double> sample);

/// One of the two: its steps' median time in each round, milliseconds.
struct ComparedModel {
  std::string name;
  uint64_t batch = 0;
  std::vector<double> rounds;
};

/// Time of the second by time of the first, round by round: how many times as fast the first is.
/// Both have the same rounds.
SampleRange ratioOf(const ComparedModel &first, const ComparedModel &second);

/// Measures both in `rounds` rounds, the first one first in even rounds and last in odd ones; after
/// a round that warms up and is not counted. prepareMeasurement has come before.
Status measureInTurns(Executor &first, Executor &second, Measured what,
                      const MeasureOptions &options, uint64_t rounds, ComparedModel &into,
                      ComparedModel &other);

/// As a table, or as one JSON object.
std::string describeComparison(const ComparedModel &first, const ComparedModel &second, bool json);

} // namespace danaus::tool
