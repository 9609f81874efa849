// See StopSignals.h. The flag and the saved actions are the process' because the handlers are.
#include "runtime/train/StopSignals.h"

#include <csignal>

namespace danaus {

static volatile std::sig_atomic_t stopFlag = 0;
static struct sigaction previousInterrupt, previousTerminate;

/// Only async-signal-safe calls: the flag, and the default action for whatever comes next.
static void onSignal(int) {
  stopFlag = 1;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

StopSignals::StopSignals() {
  stopFlag = 0;
  struct sigaction action = {};
  action.sa_handler = onSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART; // a write of a checkpoint or a table goes on
  sigaction(SIGINT, &action, &previousInterrupt);
  sigaction(SIGTERM, &action, &previousTerminate);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &previousInterrupt, nullptr);
  sigaction(SIGTERM, &previousTerminate, nullptr);
}

bool StopSignals::requested() const { return stopFlag != 0; }

} // namespace danaus
