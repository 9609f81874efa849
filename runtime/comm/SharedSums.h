// Sums over ranks of one host, through memory that they share: every number is written once, added
// by one rank and read by each, where a connection would copy it into the kernel and out again at
// every hop of a ring. Sums are taken in the order of the ranks, so the bits are the same on all
// and in every run.
#pragma once

#include "runtime/base/Status.h"

#include <atomic>
#include <memory>
#include <span>
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

  /// Replaces the values by their sums over all ranks, which call it with as many. False where the
  /// numbers of values differ, or after abort().
  bool sum(std::span<float> values);
  /// Makes sum() of this rank return, now and from now on; from any thread.
  void abort() { aborted = true; }

private:
  struct Header;
  SharedSums(std::string name, unsigned rank, unsigned size)
      : fullName(std::move(name)), rank(rank), size(size) {}
  Status map(int descriptor);
  size_t chunkElements() const;
  size_t mappedBytes() const;
  bool meet();
  float *slot(unsigned of) const;
  float *result() const { return slot(size); }

  std::string fullName;
  unsigned rank, size;
  void *memory = nullptr;
  Header *header = nullptr;
  unsigned turn = 0; ///< which of two sets of slots
  std::atomic<bool> aborted = false;
  bool isNamed = false; ///< by us, and not hidden
};

} // namespace danaus
