// Sums over ranks of one host, through memory that they share: every number is written once, added
// by one rank and read by each, where a connection would copy it into the kernel and out again at
// every hop of a ring. Sums are taken in the order of the ranks, so the bits are the same on all,
// in every run, and for an all-reduce and a reduce-scatter.
#pragma once

#include "runtime/comm/Communicator.h"

#include <atomic>
#include <string>

namespace danaus {

class SharedSums {
public:
  /// Rank 0 makes the memory; its name, for the others, is `name()`. IoError where there is none.
  static Expected<std::unique_ptr<SharedSums>> create(unsigned size);
  /// Any other rank opens it: another host's, or one of another container, is not there (IoError).
  static Expected<std::unique_ptr<SharedSums>> open(const std::string &name, unsigned rank,
                                                    unsigned size);
  ~SharedSums();
  SharedSums(const SharedSums &) = delete;

  /// Names the memory and this boot of the machine.
  const std::string &name() const { return fullName; }
  /// Takes the name away, once all have opened it: nothing stays behind, however the ranks end.
  void hide();

  /// All ranks call it with the same kind and as many values, where it has parts a multiple of the
  /// ranks. False where they do not, or after abort().
  bool run(Collective kind, std::span<float> values);
  /// Makes run() of this rank return, now and from now on; from any thread.
  void abort() { aborted = true; }

private:
  struct Header;
  SharedSums(std::string name, unsigned rank, unsigned size)
      : fullName(std::move(name)), rank(rank), size(size) {}
  Status map(int descriptor);
  size_t chunkElements() const;
  size_t turnBytes() const;
  size_t mappedBytes() const;
  bool meet();
  bool agree();
  bool allReduce(std::span<float> values);
  bool reduceScatter(std::span<float> values);
  bool allGather(std::span<float> values);
  void addUp(const float *const *terms, float *into, size_t count) const;
  std::atomic<uint64_t> &requestOf(unsigned other) const;
  float *slot(unsigned of) const;
  float *result() const { return slot(size); }

  std::string fullName;
  unsigned rank, size;
  void *memory = nullptr;
  Header *header = nullptr;
  unsigned turn = 0;           ///< which of two sets of slots
  uint64_t request = 0;        ///< of the call at hand: kind and number of values
  bool isFirstMeeting = false; ///< of it
  std::atomic<bool> aborted = false;
  bool isNamed = false; ///< by us, and not hidden
};

} // namespace danaus
