// See SharedSums.h.
#include "runtime/comm/SharedSums.h"

#include "runtime/base/File.h"
#include "runtime/comm/Socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace danaus {

namespace {

/// Numbers that are added up at once: as many as make two meetings of all ranks cheap, in memory
/// that a small /dev/shm has.
constexpr size_t MostElements = 131'072, MostBytes = 16 << 20;
/// How often a rank that waits looks before it sleeps: others run on the same cores.
constexpr unsigned Looks = 200;
constexpr long SleepNanoseconds = 50'000'000; ///< then it looks whether it was aborted

long futex(std::atomic<uint32_t> *word, int operation, uint32_t value, const timespec *timeout) {
  return ::syscall(SYS_futex, reinterpret_cast<uint32_t *>(word), operation, value, timeout,
                   nullptr, 0);
}

/// Two hosts may have memory of the same name.
std::string bootOfHost() {
  auto text = readFile("/proc/sys/kernel/random/boot_id", 4096, ExitCode::IoError);
  std::string id = text ? *text : "";
  while (!id.empty() && id.back() == '\n')
    id.pop_back();
  return id;
}

} // namespace

struct SharedSums::Header {
  std::atomic<uint32_t> arrived, round;
  std::atomic<uint32_t> differs; ///< the ranks add up different numbers of values
  std::atomic<uint64_t> count;   ///< of values of rank 0
  alignas(64) float slots[1];
};

size_t SharedSums::chunkElements() const {
  constexpr size_t vector = 16;
  size_t fit = MostBytes / sizeof(float) / (size_t(2) * (size + 1)) / vector * vector;
  return std::clamp(fit, vector, MostElements);
}

size_t SharedSums::mappedBytes() const {
  return sizeof(Header) + size_t(2) * (size + 1) * chunkElements() * sizeof(float);
}

float *SharedSums::slot(unsigned of) const {
  return header->slots + (size_t(turn) * (size + 1) + of) * chunkElements();
}

Expected<std::unique_ptr<SharedSums>> SharedSums::create(unsigned size) {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != ssize_t(sizeof bytes))
    return ioError("draw a name for", "shared memory", errno);
  std::string name = "/danaus-";
  for (unsigned char byte : bytes)
    name += format("%02x", byte);
  std::unique_ptr<SharedSums> sums(new SharedSums(name + " " + bootOfHost(), 0, size));
  FileHandle file(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  if (!file)
    return ioError("make shared memory", name, errno);
  sums->isNamed = true;
  // Reserved now: a full /dev/shm would end the process when it is written to.
  if (int code = ::posix_fallocate(file.get(), 0, off_t(sums->mappedBytes())); code != 0)
    return ioError("make shared memory", name, code);
  if (Status status = sums->map(file.get()); !status)
    return status.takeError();
  return sums;
}

Expected<std::unique_ptr<SharedSums>> SharedSums::open(const std::string &name, unsigned rank,
                                                       unsigned size) {
  size_t space = name.find(' ');
  if (space == std::string::npos || name.substr(space + 1) != bootOfHost())
    return Error(ExitCode::IoError, "the memory of rank 0 is another host's");
  std::unique_ptr<SharedSums> sums(new SharedSums(name, rank, size));
  FileHandle file(::shm_open(name.substr(0, space).c_str(), O_RDWR, 0));
  if (!file)
    return ioError("open shared memory", name.substr(0, space), errno);
  if (Status status = sums->map(file.get()); !status)
    return status.takeError();
  return sums;
}

Status SharedSums::map(int descriptor) {
  memory = ::mmap(nullptr, mappedBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) {
    memory = nullptr;
    return ioError("map shared memory", fullName, errno);
  }
  header = static_cast<Header *>(memory); // zero is how it begins
  return Status::ok();
}

SharedSums::~SharedSums() {
  hide();
  if (memory)
    ::munmap(memory, mappedBytes());
}

void SharedSums::hide() {
  if (std::exchange(isNamed, false))
    ::shm_unlink(fullName.substr(0, fullName.find(' ')).c_str());
}

/// Waits for all ranks; false after abort().
bool SharedSums::meet() {
  uint32_t round = header->round.load(std::memory_order_acquire);
  if (header->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    header->arrived.store(0, std::memory_order_relaxed);
    header->round.store(round + 1, std::memory_order_release);
    (void)futex(&header->round, FUTEX_WAKE, INT_MAX, nullptr);
    return !aborted;
  }
  for (unsigned look = 0; header->round.load(std::memory_order_acquire) == round; ++look) {
    if (aborted)
      return false;
    timespec pause = {0, SleepNanoseconds};
    if (look < Looks)
      __builtin_ia32_pause();
    else
      (void)futex(&header->round, FUTEX_WAIT, round, &pause);
  }
  return !aborted;
}

/// Two meetings a chunk: all have written; all have added. What is read after the second one is not
/// written again before the second of the next chunk, which has the other set of slots.
bool SharedSums::sum(std::span<float> values) {
  if (rank == 0)
    header->count.store(values.size(), std::memory_order_relaxed);
  if (!meet())
    return false;
  if (header->count.load(std::memory_order_relaxed) != values.size())
    header->differs.store(1, std::memory_order_relaxed);
  if (!meet() || header->differs.load(std::memory_order_relaxed))
    return false;
  for (size_t begin = 0; begin < values.size(); begin += chunkElements(), turn ^= 1) {
    size_t count = std::min(chunkElements(), values.size() - begin);
    std::memcpy(slot(rank), values.data() + begin, count * sizeof(float));
    if (!meet())
      return false;
    size_t first = count * rank / size, last = count * (rank + 1) / size;
    float *into = result();
    std::copy(slot(0) + first, slot(0) + last, into + first);
    for (unsigned other = 1; other < size; ++other) {
      const float *from = slot(other);
      for (size_t i = first; i < last; ++i)
        into[i] += from[i];
    }
    if (!meet())
      return false;
    std::memcpy(values.data() + begin, into, count * sizeof(float));
  }
  return true;
}

} // namespace danaus
