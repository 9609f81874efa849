// The line that says how far a run is: on stderr, redrawn in place on a terminal, else a plain line
// every few seconds. Knows terminals, not training.
#pragma once

#include <chrono>
#include <string>

namespace danaus::tool {

enum class ProgressStyle { Off, Plain, Live };

/// Live on a terminal that can move its cursor (TERM is not "dumb"), else Plain.
ProgressStyle progressStyleOf(int descriptor);

class ProgressLine {
public:
  explicit ProgressLine(ProgressStyle style);
  ~ProgressLine() { clear(); }

  /// Whether it is time to show a new text: ten times a second live, every five seconds plain.
  /// Cheap, so that a caller can ask at every step and build the text only then.
  bool due();
  void show(const std::string &text);
  /// Removes the live line, so that something else can be printed.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  ProgressStyle style;
  Clock::duration interval;
  Clock::time_point next;
  bool visible = false;
};

} // namespace danaus::tool
