// SIGINT and SIGTERM as a flag: the trainer looks at it between steps, saves and ends. A second
// signal ends the process at once, as if nobody had caught the first.
#pragma once

namespace danaus {

/// Catches the two signals while it lives and then puts back what was there before. One at a time:
/// signal handlers belong to the process.
class StopSignals {
public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals &) = delete;
  StopSignals &operator=(const StopSignals &) = delete;

  bool requested() const;
};

} // namespace danaus
