// See Ranks.h.
#include "tools/danaus/runs/Ranks.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/comm/Socket.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/train/StopSignals.h"
#include "tools/danaus/command/Compile.h"
#include "tools/danaus/command/Verb.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace danaus::tool {

namespace {

constexpr const char *StepsVariable = "DANAUS_STEPS_FD", *ErrorVariable = "DANAUS_ERROR_FILE";
/// So long others may take to end by themselves once one has failed.
constexpr std::chrono::milliseconds Grace(1000);

/// The cores of part `index` of `count`; one that parts share where there are fewer cores.
cpu_set_t coresOf(const std::vector<int> &all, unsigned index, unsigned count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t begin = index * all.size() / count, end = (index + 1) * all.size() / count;
  if (all.size() < count)
    begin = index % all.size(), end = begin + 1;
  for (size_t i = begin; i < end; ++i)
    CPU_SET(all[i], &set);
  return set;
}

/// A word for each rank in memory that it shares with its launcher.
class SharedSteps {
public:
  explicit SharedSteps(unsigned count) : bytes(count * sizeof(uint64_t)) {
    file = FileHandle(::memfd_create("danaus-steps", 0)); // inherited
    if (file && ::ftruncate(file.get(), off_t(bytes)) == 0)
      map(file.get());
  }
  SharedSteps(int descriptor, unsigned count) : bytes(count * sizeof(uint64_t)) { map(descriptor); }
  int descriptor() const { return file.get(); }
  std::atomic<uint64_t> *of(unsigned rank) const { return words ? words + rank : nullptr; }

private:
  void map(int descriptor) {
    void *at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (at != MAP_FAILED)
      words = static_cast<std::atomic<uint64_t> *>(at); // as long as the process
  }
  size_t bytes;
  FileHandle file;
  std::atomic<uint64_t> *words = nullptr;
};

Expected<std::string> randomToken() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != ssize_t(sizeof bytes))
    return Error(ExitCode::Internal, format("getrandom: %s", std::strerror(errno)));
  std::string text;
  for (unsigned char byte : bytes)
    text += format("%02x", byte);
  return text;
}

/// A port of this machine that nobody listens on now.
Expected<uint16_t> freePort() {
  auto listener = listenOn("127.0.0.1", 0);
  return listener ? portOf(*listener) : Expected<uint16_t>(listener.takeError());
}

struct Rank {
  pid_t process = 0;
  std::optional<int> state; ///< of waitpid, once it has ended
  bool wasKilledByUs = false;

  bool hasEnded() const { return state.has_value(); }
  int signal() const { return state && WIFSIGNALED(*state) ? WTERMSIG(*state) : 0; }
  int code() const { return state && WIFEXITED(*state) ? WEXITSTATUS(*state) : -1; }
};

/// One start of all ranks.
class RankGroup {
public:
  RankGroup(const RankJob &job, const std::string &logs)
      : job(job), logs(logs), ranks(job.count), steps(job.count) {}
  /// Leaves none behind.
  ~RankGroup() {
    signalAll(SIGKILL);
    for (Rank &rank : ranks)
      if (rank.process && !rank.hasEnded())
        (void)::waitpid(rank.process, nullptr, 0);
  }

  Status start(const std::vector<std::string> &words) {
    auto token = randomToken();
    if (!token)
      return token.takeError();
    auto port = freePort();
    if (!port)
      return port.takeError();
    for (unsigned rank = 0; rank < job.count; ++rank)
      if (Status status = startRank(words, rank, *port, *token); !status)
        return status;
    return Status::ok();
  }

  /// Until all have ended.
  void watch(const StopSignals &signals) {
    constexpr unsigned pause = 20'000; // microseconds
    std::optional<Clock::time_point> failedAt;
    for (bool told = false;;) {
      bool anyRuns = false;
      for (Rank &rank : ranks) {
        int state = 0;
        if (!rank.hasEnded() && ::waitpid(rank.process, &state, WNOHANG) == rank.process)
          rank.state = state;
        anyRuns |= !rank.hasEnded();
        if (rank.hasEnded() && rank.code() != 0 && rank.code() != int(ExitCode::Stopped) &&
            !failedAt)
          failedAt = Clock::now();
      }
      if (!anyRuns)
        return;
      if (failedAt && Clock::now() - *failedAt > Grace)
        signalAll(SIGKILL);
      if (!told && signals.requested()) {
        signalAll(SIGTERM);
        told = true;
      }
      wasStopped = told;
      ::usleep(pause);
    }
  }

  /// The one that everything follows from; nothing where all is well.
  std::optional<unsigned> firstFailed() const {
    auto find = [&](auto isIt) -> std::optional<unsigned> {
      for (unsigned i = 0; i < job.count; ++i)
        if (isIt(ranks[i]))
          return i;
      return std::nullopt;
    };
    if (auto killed = find([](const Rank &r) { return r.signal() && !r.wasKilledByUs; }))
      return killed;
    auto fails = [](const Rank &r) {
      return r.code() != 0 && r.code() != int(ExitCode::Stopped) && !r.signal();
    };
    if (auto own =
            find([&](const Rank &r) { return fails(r) && r.code() != int(ExitCode::PeerFailed); }))
      return own;
    if (auto peer = find(fails))
      return peer;
    return find([](const Rank &r) { return bool(r.signal()); });
  }

  Status result() const {
    auto failed = firstFailed();
    if (!failed) {
      bool stopped = std::ranges::any_of(
          ranks, [](const Rank &r) { return r.code() == int(ExitCode::Stopped); });
      return stopped ? Status(alreadyReported(ExitCode::Stopped)) : Status::ok();
    }
    const Rank &rank = ranks[*failed];
    if (rank.signal() == SIGTERM && wasStopped)
      return Error(ExitCode::Stopped, "stopped on request before the first step");
    if (int signal = rank.signal())
      return Error(ExitCode::PeerFailed,
                   format("rank %u on %s was ended by signal %d (SIG%s), at step %llu; the other "
                          "ranks were ended too",
                          *failed, ownHostName().c_str(), signal, ::sigabbrev_np(signal),
                          (unsigned long long)stepOf(*failed)));
    if (rank.code() == int(ExitCode::PeerFailed)) // it tells of another
      return Error(ExitCode::PeerFailed, lastLine(*failed));
    if (*failed == 0)
      return alreadyReported(ExitCode(rank.code()));
    return Error(ExitCode(rank.code()),
                 format("rank %u on %s failed: ", *failed, ownHostName().c_str()) +
                     lastLine(*failed));
  }

  /// Whether another start may do better.
  bool diedRatherThanFailed() const {
    auto failed = firstFailed();
    return failed &&
           (ranks[*failed].signal() || ranks[*failed].code() == int(ExitCode::PeerFailed));
  }

private:
  std::string logOf(unsigned rank) const { return joinPath(logs, format("rank-%u.log", rank)); }

  uint64_t stepOf(unsigned rank) const {
    std::atomic<uint64_t> *word = steps.of(rank);
    return word ? word->load() : 0;
  }

  std::string lastLine(unsigned rank) const {
    auto text = readFile(logOf(rank), 1 << 20, ExitCode::IoError);
    std::string all = text ? *text : "";
    while (!all.empty() && all.back() == '\n')
      all.pop_back();
    std::string line = all.substr(all.rfind('\n') + 1);
    constexpr std::string_view prefix = "danaus: error: ";
    return line.starts_with(prefix) ? line.substr(prefix.size()) : line;
  }

  void signalAll(int signal) {
    for (Rank &rank : ranks)
      if (rank.process && !rank.hasEnded()) {
        ::kill(rank.process, signal);
        rank.wasKilledByUs |= signal == SIGKILL;
      }
  }

  Status startRank(const std::vector<std::string> &words, unsigned rank, uint16_t port,
                   const std::string &token) {
    std::vector<std::string> variables = {format("DANAUS_RANK=%u", rank),
                                          format("DANAUS_SIZE=%u", job.count),
                                          format("DANAUS_PORT=%u", port),
                                          "DANAUS_TOKEN=" + token,
                                          format("%s=%d", StepsVariable, steps.descriptor()),
                                          format("%s=%s", ErrorVariable, logOf(rank).c_str())};
    for (char **each = environ; *each; ++each)
      if (!std::string_view(*each).starts_with("DANAUS_TOKEN="))
        variables.push_back(*each);
    std::vector<char *> argv, envp;
    for (const std::string &word : words)
      argv.push_back(const_cast<char *>(word.c_str()));
    for (const std::string &variable : variables)
      envp.push_back(const_cast<char *>(variable.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    FileHandle log;
    if (rank > 0) {
      log =
          FileHandle(::open(logOf(rank).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
      if (!log)
        return ioError("write", logOf(rank), errno);
    }
    pid_t launcher = ::getpid(), child = ::fork();
    if (child < 0)
      return Error(ExitCode::DeviceUnavailable,
                   format("cannot start rank %u of %u: %s", rank, job.count, std::strerror(errno)));
    if (child == 0) {  // nothing but system calls from here
      ::setpgid(0, 0); // Ctrl-C is for the launcher, which hands it on
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != launcher)
        ::_exit(127);
      if (log) {
        ::dup2(log.get(), STDOUT_FILENO);
        ::dup2(log.get(), STDERR_FILENO);
      }
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(127);
    }
    ranks[rank].process = child;
    return Status::ok();
  }

  const RankJob &job;
  std::string logs;
  std::vector<Rank> ranks;
  SharedSteps steps;
  bool wasStopped = false; ///< on request
};

/// Into the run's folder, where there is one; what is empty says nothing.
void keepLogs(const RankJob &job, const std::string &logs) {
  for (unsigned rank = 1; rank < job.count; ++rank) {
    std::string name = format("rank-%u.log", rank);
    auto text = readFile(joinPath(logs, name), 1 << 26, ExitCode::IoError);
    if (text && !text->empty() && isFolder(job.run))
      (void)writeFileAtomically(joinPath(job.run, name), *text);
  }
}

} // namespace

Status runRanks(const RankJob &job) {
  auto logs = TemporaryFolder::create();
  if (!logs)
    return logs.takeError();
  StopSignals signals;
  std::vector<std::string> words = job.words;
  for (uint64_t restarts = 0;; ++restarts) {
    RankGroup group(job, (*logs)->path);
    if (Status status = group.start(words); !status)
      return status;
    group.watch(signals);
    keepLogs(job, (*logs)->path);
    Status status = group.result();
    bool resumes = isFolder(joinPath(job.run, "checkpoints"));
    if (restarts >= job.restarts || !group.diedRatherThanFailed() || !resumes ||
        signals.requested())
      return status;
    std::fprintf(stderr, "danaus: %s; start %llu of %llu goes on from the last checkpoint\n",
                 status.error().message().empty() ? "a rank died"
                                                  : status.error().message().c_str(),
                 (unsigned long long)restarts + 2, (unsigned long long)job.restarts + 1);
    if (std::ranges::find(words, "--resume") == words.end())
      words.push_back("--resume");
  }
}

std::function<void(uint64_t)> stepReporter(unsigned rank) {
  const char *descriptor = std::getenv(StepsVariable), *size = std::getenv("DANAUS_SIZE");
  if (!descriptor || !size)
    return [](uint64_t) {};
  SharedSteps steps(std::atoi(descriptor), unsigned(std::atoi(size)));
  std::atomic<uint64_t> *word = steps.of(rank);
  return [word](uint64_t step) {
    if (word)
      word->store(step, std::memory_order_relaxed);
  };
}

Status leaveToLauncher(Status status) {
  const char *file = std::getenv(ErrorVariable);
  if (status || status.error().code() != ExitCode::PeerFailed || !file)
    return status;
  std::string text = "danaus: error: " + status.error().message() + "\n";
  FileHandle log(::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!log || ::write(log.get(), text.data(), text.size()) != ssize_t(text.size()))
    return status;
  return alreadyReported(ExitCode::PeerFailed);
}

void takeShareOfCores(const RankEnvironment &environment) {
  std::vector<int> cores = affinityCpus();
  bool isRestricted = environment.launcher != launchedByUs &&
                      cores.size() < size_t(::sysconf(_SC_NPROCESSORS_ONLN));
  if (environment.localSize < 2 || isRestricted)
    return;
  cpu_set_t own = coresOf(cores, environment.localRank, environment.localSize);
  (void)::sched_setaffinity(0, sizeof own, &own);
}

} // namespace danaus::tool
