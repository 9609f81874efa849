// See OperationThread.h.
#include "runtime/comm/gloo/OperationThread.h"

#include "runtime/base/BlockedSignals.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <sched.h>
#include <system_error>

namespace danaus {

namespace {
/// So long an operation that was broken off may take to end.
constexpr std::chrono::milliseconds EndTime(200);
} // namespace

/// Outlives the object where the thread does.
struct OperationThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Operation> queue;
  uint64_t done = 0;
  bool ending = false, broken = false, ended = false;
  std::string failure;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return ending || broken || !queue.empty(); });
      if (ending || broken)
        break;
      Operation next = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      danaus_gloo_error error = {};
      bool good = next(error);
      lock.lock();
      if (good) {
        ++done;
      } else {
        broken = true;
        failure = error.text;
      }
      changed.notify_all();
    }
    ended = true;
    changed.notify_all();
  }
};

OperationThread::OperationThread() : state(std::make_shared<State>()) {}

Status OperationThread::start(const Device &device, const std::vector<int> &cores) {
  try {
    BlockedSignals blocked;
    thread = std::thread([state = state, &device, cores] {
      device.enterHelperThread();
      cpu_set_t set;
      CPU_ZERO(&set);
      for (int core : cores)
        CPU_SET(core, &set);
      if (!cores.empty())
        (void)::sched_setaffinity(0, sizeof set, &set);
      state->work();
    });
  } catch (const std::system_error &error) {
    return Error(ExitCode::DeviceUnavailable,
                 format("cannot start the thread that adds up gradients: %s", error.what()));
  }
  return Status::ok();
}

bool OperationThread::stop() {
  if (!thread.joinable())
    return true;
  std::unique_lock lock(state->mutex);
  state->ending = true;
  state->changed.notify_all();
  bool ended = state->changed.wait_for(lock, EndTime, [&] { return state->ended; });
  // What is under way while all is well ends by itself.
  if (!ended && !state->broken) {
    state->changed.wait(lock, [&] { return state->ended || state->broken; });
    ended = state->ended;
  }
  lock.unlock();
  ended ? thread.join() : thread.detach();
  return ended;
}

uint64_t OperationThread::enqueue(Operation operation) {
  std::lock_guard lock(state->mutex);
  state->queue.push_back(std::move(operation));
  state->changed.notify_all();
  return ++enqueued;
}

bool OperationThread::waitFor(uint64_t number) {
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->broken || state->done >= number; });
  return state->done >= number;
}

void OperationThread::breakOff() {
  std::lock_guard lock(state->mutex);
  state->broken = true;
  state->changed.notify_all();
}

bool OperationThread::isBroken() const {
  std::lock_guard lock(state->mutex);
  return state->broken;
}

std::string OperationThread::failure() const {
  std::lock_guard lock(state->mutex);
  return state->failure;
}

} // namespace danaus
