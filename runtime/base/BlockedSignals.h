// While threads are started, which inherit it: signals are for the main thread, so that Ctrl-C
// lands in no kernel and no reader.
#pragma once

#include <csignal>

namespace danaus {

/// All signals of the calling thread are blocked as long as this lives.
class BlockedSignals {
public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  BlockedSignals(const BlockedSignals &) = delete;
  BlockedSignals &operator=(const BlockedSignals &) = delete;

private:
  sigset_t before;
};

} // namespace danaus
