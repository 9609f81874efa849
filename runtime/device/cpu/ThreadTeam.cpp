// The threads of the team, how they start, wait and end.
#include "runtime/device/cpu/ThreadTeam.h"

#include "runtime/base/BlockedSignals.h"
#include "runtime/device/cpu/CpuInfo.h"

#include <pthread.h>
#include <sched.h>
#include <system_error>

namespace danaus {

namespace {

// About 50 to 100 microseconds: longer than the gap between two stages, or than filling a batch.
constexpr unsigned BusySpins = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void pin(pthread_t thread, int cpu) {
  if (cpu >= CPU_SETSIZE)
    return;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  // A refusal costs speed only.
  pthread_setaffinity_np(thread, sizeof(mask), &mask);
}

} // namespace

void WaitableCounter::advance() {
  value.fetch_add(1, std::memory_order_release);
  value.notify_all();
}

void WaitableCounter::waitWhile(uint32_t old, unsigned spins) const {
  for (unsigned i = 0; i < spins; ++i) {
    if (load() != old)
      return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

ThreadTeam::ThreadTeam(unsigned threads)
    // With more threads than cores, the one that is waited for may need this core.
    : count(threads), spins(threads <= usableCores() ? BusySpins : 0) {}

Expected<std::unique_ptr<ThreadTeam>> ThreadTeam::create(unsigned threads) {
  if (threads == 0 || threads > MaxThreads)
    return Error(ExitCode::Usage, format("%u threads: 1 to %u are possible", threads, MaxThreads));
  std::unique_ptr<ThreadTeam> team(new ThreadTeam(threads));
  if (Status status = team->start(); !status)
    return status.takeError();
  return team;
}

Status ThreadTeam::start() {
  std::vector<int> cpus = affinityCpus();
  BlockedSignals blocked;
  try {
    for (unsigned thread = 1; thread < count; ++thread) {
      workers.emplace_back([this, thread] { workerLoop(thread); });
      if (cpus.size() == count)
        pin(workers.back().native_handle(), cpus[thread]);
    }
    pinCaller(cpus);
  } catch (const std::system_error &error) {
    return Error(
        ExitCode::DeviceUnavailable,
        format("cannot start %u threads: %s; try fewer with --threads", count, error.what()));
  }
  return Status::ok();
}

/// The caller is thread 0: unpinned, it may share a core with a pinned worker for seconds (seen as
/// steps of twice the time).
void ThreadTeam::pinCaller(const std::vector<int> &cpus) {
  if (count < 2 || cpus.size() != count)
    return;
  caller = pthread_self();
  callerPinned = pthread_getaffinity_np(caller, sizeof(callerMask), &callerMask) == 0;
  if (callerPinned)
    pin(caller, cpus[0]);
}

void ThreadTeam::freeThisThread() const {
  if (callerPinned)
    pthread_setaffinity_np(pthread_self(), sizeof(callerMask), &callerMask);
}

ThreadTeam::~ThreadTeam() {
  if (callerPinned && pthread_equal(caller, pthread_self()))
    pthread_setaffinity_np(caller, sizeof(callerMask), &callerMask);
  jobFunction = nullptr;
  jobRound.advance();
  for (std::thread &worker : workers)
    worker.join();
}

void ThreadTeam::workerLoop(unsigned thread) {
  for (uint32_t round = 0;; ++round) {
    jobRound.waitWhile(round, spins);
    if (!jobFunction)
      return;
    jobFunction(jobContext, thread);
    if (finished.fetch_add(1, std::memory_order_acq_rel) + 2 == count)
      finishedRound.advance();
  }
}

void ThreadTeam::runErased(ErasedJob function, void *context) {
  jobFunction = function;
  jobContext = context;
  finished.store(0, std::memory_order_relaxed);
  uint32_t before = finishedRound.load();
  jobRound.advance();
  function(context, 0);
  if (count > 1)
    finishedRound.waitWhile(before, spins);
}

} // namespace danaus
