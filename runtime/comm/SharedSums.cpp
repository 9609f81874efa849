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
#include <utility>
#include <vector>

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

/// Behind it, for each turn: what each rank asks for, a slot for each, and one for the sums.
struct SharedSums::Header {
  std::atomic<uint32_t> arrived, round;
  alignas(64) std::byte turns[1];
};

size_t SharedSums::chunkElements() const {
  constexpr size_t vector = 16;
  size_t fit = MostBytes / sizeof(float) / (size_t(2) * (size + 1)) / vector * vector;
  return std::clamp(fit, vector, MostElements);
}

size_t SharedSums::turnBytes() const {
  size_t requests = (size * sizeof(uint64_t) + 63) / 64 * 64;
  return requests + (size_t(size) + 1) * chunkElements() * sizeof(float);
}

size_t SharedSums::mappedBytes() const { return sizeof(Header) + 2 * turnBytes(); }

std::atomic<uint64_t> &SharedSums::requestOf(unsigned other) const {
  return reinterpret_cast<std::atomic<uint64_t> *>(header->turns + turn * turnBytes())[other];
}

float *SharedSums::slot(unsigned of) const {
  std::byte *end = header->turns + (turn + 1) * turnBytes();
  return reinterpret_cast<float *>(end) - (size_t(size) + 1 - of) * chunkElements();
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

/// The first meeting of a chunk: all have written. Whether all ask for the same.
bool SharedSums::agree() {
  if (!meet())
    return false;
  if (!std::exchange(isFirstMeeting, false))
    return true;
  for (unsigned other = 0; other < size; ++other)
    if (requestOf(other).load(std::memory_order_relaxed) != request)
      return false;
  return true;
}

/// A chunk has a set of slots, and the next chunk, of this call or the next one, the other set:
/// nobody writes to the first again before all have met in the second, having read what they need.
bool SharedSums::run(Collective kind, std::span<float> values) {
  request = uint64_t(kind) << 60 | values.size();
  isFirstMeeting = true;
  requestOf(rank).store(request, std::memory_order_relaxed);
  if (kind != Collective::AllReduce && values.size() % size != 0)
    return false;
  switch (kind) {
  case Collective::AllReduce:
    return allReduce(values);
  case Collective::ReduceScatter:
    return reduceScatter(values);
  case Collective::AllGather:
    return allGather(values);
  }
  return false;
}

/// Two meetings a chunk: all have written; all have added.
bool SharedSums::allReduce(std::span<float> values) {
  std::vector<const float *> terms(size);
  for (size_t begin = 0; begin < values.size(); begin += chunkElements(), turn ^= 1) {
    size_t count = std::min(chunkElements(), values.size() - begin);
    std::memcpy(slot(rank), values.data() + begin, count * sizeof(float));
    if (!agree())
      return false;
    size_t first = count * rank / size, last = count * (rank + 1) / size;
    for (unsigned other = 0; other < size; ++other)
      terms[other] = slot(other) + first;
    addUp(terms.data(), result() + first, last - first);
    if (!meet())
      return false;
    std::memcpy(values.data() + begin, result(), count * sizeof(float));
  }
  return true;
}

/// A chunk is as much of every part: a rank writes what is others', and adds up what is its own.
bool SharedSums::reduceScatter(std::span<float> values) {
  size_t part = values.size() / size;
  size_t most = std::max<size_t>(chunkElements() / size / 16 * 16, 1);
  std::vector<const float *> terms(size);
  for (size_t begin = 0; begin < part; begin += most, turn ^= 1) {
    size_t count = std::min(most, part - begin);
    for (unsigned other = 0; other < size; ++other)
      if (other != rank)
        std::memcpy(slot(rank) + other * most, values.data() + other * part + begin,
                    count * sizeof(float));
    if (!agree())
      return false;
    float *own = values.data() + rank * part + begin;
    for (unsigned other = 0; other < size; ++other)
      terms[other] = other == rank ? own : slot(other) + rank * most;
    addUp(terms.data(), own, count);
  }
  return true;
}

bool SharedSums::allGather(std::span<float> values) {
  size_t part = values.size() / size, most = chunkElements();
  for (size_t begin = 0; begin < part; begin += most, turn ^= 1) {
    size_t count = std::min(most, part - begin);
    std::memcpy(slot(rank), values.data() + rank * part + begin, count * sizeof(float));
    if (!agree())
      return false;
    for (unsigned other = 0; other < size; ++other)
      if (other != rank)
        std::memcpy(values.data() + other * part + begin, slot(other), count * sizeof(float));
  }
  return true;
}

/// In the order of the ranks; `into` may be one of the terms.
void SharedSums::addUp(const float *const *terms, float *into, size_t count) const {
  constexpr size_t block = 1024;
  float sums[block];
  for (size_t begin = 0; begin < count; begin += block) {
    size_t some = std::min(block, count - begin);
    std::memcpy(sums, terms[0] + begin, some * sizeof(float));
    for (unsigned other = 1; other < size; ++other)
      for (size_t i = 0; i < some; ++i)
        sums[i] += terms[other][begin + i];
    std::memcpy(into + begin, sums, some * sizeof(float));
  }
}

} // namespace danaus
