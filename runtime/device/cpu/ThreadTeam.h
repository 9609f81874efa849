// A fixed team of threads that works through one job after another: the calling thread is number 0,
// the others wait for it. Waiting costs no system call while the team is busy (a bounded spin) and
// no processor while it is idle (a futex).
#pragma once

#include "runtime/base/Status.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <type_traits>
#include <vector>

namespace danaus {

/// A number to wait on. Spins for a while, then sleeps.
class WaitableCounter {
public:
  uint32_t load() const { return value.load(std::memory_order_acquire); }
  void advance();
  /// Returns when the value is no longer `old`.
  void waitWhile(uint32_t old, unsigned spins) const;

private:
  std::atomic<uint32_t> value = 0;
};

class ThreadTeam {
public:
  static constexpr unsigned MaxThreads = 1024;

  /// DeviceUnavailable when the system refuses that many threads. With exactly as many threads as
  /// the process may use CPUs, each thread but the caller's stays on a CPU of its own.
  static Expected<std::unique_ptr<ThreadTeam>> create(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  unsigned size() const { return count; }

  /// Calls job(thread) once on every thread and returns when all are done. Allocates nothing. Only
  /// the thread that made the team may call this, and never from within a job.
  template <typename Job> void run(Job &&job) {
    runErased(
        [](void *context, unsigned thread) {
          (*static_cast<std::remove_reference_t<Job> *>(context))(thread);
        },
        &job);
  }

  /// Calls fn(i) for i = 0 .. n-1, each once, on any of the threads; returns when all are done.
  template <typename Fn> void forEach(uint64_t n, const Fn &fn) {
    std::atomic<uint64_t> next = 0;
    run([&](unsigned) {
      for (uint64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;)
        fn(i);
    });
  }

  /// Within a job: returns when every thread has arrived. The last one calls onLast() before any of
  /// them leaves; what was written before the barrier is seen by all after it.
  template <typename OnLast> void barrier(OnLast &&onLast) {
    uint32_t round = barrierRound.load();
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < count)
      return barrierRound.waitWhile(round, spins);
    arrived.store(0, std::memory_order_relaxed);
    onLast();
    barrierRound.advance();
  }

  /// Lets a thread that inherited the caller's core run wherever the caller might before the team
  /// was made. Thread-safe.
  void freeThisThread() const;

private:
  using ErasedJob = void (*)(void *context, unsigned thread);

  explicit ThreadTeam(unsigned threads);
  Status start();
  void pinCaller(const std::vector<int> &cpus);
  void runErased(ErasedJob function, void *context);
  void workerLoop(unsigned thread);

  const unsigned count;
  unsigned spins;

  // Each on a cache line of its own: all threads hammer them.
  alignas(64) WaitableCounter jobRound;
  alignas(64) std::atomic<uint32_t> finished = 0;
  alignas(64) WaitableCounter finishedRound;
  alignas(64) std::atomic<uint32_t> arrived = 0;
  alignas(64) WaitableCounter barrierRound;

  alignas(64) ErasedJob jobFunction = nullptr; ///< null: the workers end
  void *jobContext = nullptr;
  std::vector<std::thread> workers;
  pthread_t caller = {}; ///< its affinity mask is put back when the team ends
  cpu_set_t callerMask = {};
  bool callerPinned = false;
};

} // namespace danaus
