// See Counters.h. The events of a thread are one group, which the kernel schedules together and
// answers with one read.
#include "runtime/profile/Counters.h"

#include "runtime/base/File.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace danaus {

namespace {

struct Event {
  const char *name;
  uint32_t type;
  uint64_t config;
  bool isOfKernel; ///< happens in the kernel: counted there too, where that is allowed
};

constexpr std::array<Event, ThreadCounters::Most> hardwareEvents = {{
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false},
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, false},
    {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, false},
}};
// With the clock as its leader, a group counts nothing else (seen with Linux 6.18).
constexpr std::array<Event, ThreadCounters::Most> softwareEvents = {{
    {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
    {"task_clock_ns", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, false},
    {"context_switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, true},
}};

const std::array<Event, ThreadCounters::Most> &eventsOf(CounterSet set) {
  return set == CounterSet::Hardware ? hardwareEvents : softwareEvents;
}

/// Of the calling thread, on whatever core; a negative errno where it does not open.
int openEvent(const Event &event, CounterSet set, int leader) {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.read_format = PERF_FORMAT_GROUP;
  attributes.exclude_kernel = !event.isOfKernel;
  attributes.exclude_hv = !event.isOfKernel;
  // Always on the processor, or a read says that it is not: no sums that are scaled.
  attributes.pinned = leader < 0 && set == CounterSet::Hardware;
  long file = syscall(SYS_perf_event_open, &attributes, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
  return file < 0 ? -errno : int(file);
}

std::string paranoidLevel() {
  auto text = readFile("/proc/sys/kernel/perf_event_paranoid", 64);
  std::string level = text ? *text : "";
  while (!level.empty() && level.back() == '\n')
    level.pop_back();
  return level;
}

} // namespace

const std::array<const char *, ThreadCounters::Most> &counterNames(CounterSet set) {
  static constexpr std::array<const char *, ThreadCounters::Most>
      hardware = {hardwareEvents[0].name, hardwareEvents[1].name, hardwareEvents[2].name},
      software = {softwareEvents[0].name, softwareEvents[1].name, softwareEvents[2].name};
  return set == CounterSet::Hardware ? hardware : software;
}

std::string whyNoCounters(CounterSet set, int error, const std::string &paranoid) {
  switch (error) {
  case ENOENT:
  case ENODEV:
  case EOPNOTSUPP:
    return set == CounterSet::Hardware
               ? "this machine shows Linux no counters (a virtual machine without them?): run on "
                 "the machine itself, or count what the kernel knows with --counters software"
               : "this kernel does not count that";
  case EACCES:
  case EPERM:
    if (!paranoid.empty() && std::atoi(paranoid.c_str()) > 2)
      return "kernel.perf_event_paranoid is " + paranoid +
             ", which allows them to nobody but root: sudo sysctl kernel.perf_event_paranoid=2";
    return "the system forbids perf_event_open (a container?): allow it with docker run "
           "--cap-add=PERFMON --security-opt seccomp=unconfined, or run outside";
  case ENOSYS:
    return "this kernel is built without perf_event_open";
  case EMFILE:
  case ENFILE:
    return "too many files are open: ulimit -n";
  case EBUSY:
    return "another program (perf, a debugger) holds the processor's counters";
  default:
    return std::string("perf_event_open: ") + std::strerror(error);
  }
}

int PerfCounters::openGroup(Group &group, std::array<Place, Most> *into) {
  group.isTried = true;
  const auto &events = eventsOf(which);
  group.leader = openEvent(events[0], which, -1);
  if (group.leader < 0)
    return -group.leader;
  if (into)
    (*into)[0] = {true, 0};
  for (size_t i = 1; i < events.size(); ++i) {
    if (!into && !places[i].isThere) // the groups of all threads have the same events
      continue;
    int member = openEvent(events[i], which, group.leader);
    if (member >= 0)
      group.members.push_back(member);
    else if (!into)
      return -member;
    if (into && member >= 0)
      (*into)[i] = {true, group.members.size()};
  }
  return 0;
}

Expected<std::unique_ptr<PerfCounters>> PerfCounters::open(CounterSet set, unsigned threads) {
  std::unique_ptr<PerfCounters> counters(new PerfCounters(set, threads));
  // A first group shows what there is; those that count are opened by their threads.
  PerfCounters trial(set, 1);
  int error = trial.openGroup(trial.groups[0], &counters->places);
  if (!error) {
    // A pinned group that cannot be scheduled answers with the end of the file.
    std::array<uint64_t, 1 + Most> values = {};
    ssize_t bytes = ::read(trial.groups[0].leader, values.data(), sizeof(values));
    error = bytes > 0 ? 0 : bytes < 0 ? errno : EBUSY;
  }
  if (error)
    return Error(ExitCode::DeviceUnavailable, whyNoCounters(set, error, paranoidLevel()));
  return counters;
}

PerfCounters::~PerfCounters() {
  for (Group &group : groups) {
    for (int member : group.members)
      close(member);
    if (group.leader >= 0)
      close(group.leader);
  }
}

ThreadCounters::Counts PerfCounters::read(unsigned thread) {
  Group &group = groups[thread];
  Counts counts = {};
  if (!group.isTried)
    if (int error = openGroup(group, nullptr))
      failure = error;
  if (group.leader < 0)
    return counts;
  std::array<uint64_t, 1 + Most> values = {}; // how many, then each
  ssize_t bytes = ::read(group.leader, values.data(), sizeof(values));
  if (bytes <= 0) {
    failure = bytes < 0 ? errno : EBUSY;
    return counts;
  }
  for (size_t i = 0; i < Most; ++i)
    if (places[i].isThere)
      counts[i] = values[1 + places[i].value];
  return counts;
}

Status PerfCounters::status() const {
  if (int error = failure)
    return Error(ExitCode::DeviceUnavailable, whyNoCounters(which, error, paranoidLevel()));
  return Status::ok();
}

} // namespace danaus
