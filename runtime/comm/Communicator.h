// What the training loop and the executor ask of the ranks of a job: sums, broadcasts, and to stop
// together. One rank alone is a communicator too, for which all of it is nothing.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/device/Device.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

namespace danaus {

/// What ranks do together with a range of an arena of float32. ReduceScatter and AllGather are of
/// as many equal parts as there are ranks: of the former rank r gets the sums of part r, and its
/// other parts are not defined then; of the latter rank r has part r, and all get all. A sum is the
/// same bits for any kind, rank and run.
enum class Collective { AllReduce, ReduceScatter, AllGather };

/// All ranks call sum, broadcast, gather and begin in the same order, each from the thread that
/// owns the device. Errors are PeerFailed and name the rank that is the cause; after one nothing
/// works any more.
class Communicator {
public:
  virtual ~Communicator() = default;

  unsigned rank() const { return ownRank; }
  unsigned size() const { return count; }
  bool isAlone() const { return count == 1; }
  /// Rank 0 writes what a run leaves behind.
  bool isFirst() const { return ownRank == 0; }

  /// Replaces each value by the sum over all ranks: the same bits on each.
  virtual Status sum(std::span<double> values) = 0;
  /// Gives all ranks the bytes of rank 0.
  virtual Status broadcast(std::span<std::byte> bytes) = 0;

  /// Gives rank 0 the bytes of all ranks, one behind the other in their order. `counts`: bytes of
  /// each rank, 0 allowed; `all` is of rank 0 and as long as they are together; on others empty.
  virtual Status gather(std::span<const std::byte> own, std::span<const uint64_t> counts,
                        std::span<std::byte> all) = 0;

  /// Begins it with `elements` float32 of an arena, once all that was submitted to the device is
  /// done, beside what is submitted next. Returns a number for finish.
  virtual Expected<uint64_t> begin(Collective kind, Arena &arena, uint64_t offset,
                                   uint64_t elements) = 0;
  /// What is submitted next finds the results of this one, and of all that began before it, in the
  /// arena.
  virtual Status finish(uint64_t number) = 0;
  /// Once the device is done: whether the results are what they should be, no rank having failed.
  virtual Status check() = 0;

  /// The step at which this rank is, for messages.
  virtual void noteStep(uint64_t step) = 0;
  /// This rank was asked to stop; from any rank, and the same again does no harm. Called between
  /// two steps, `step` being the last that is done.
  virtual Status requestStop(uint64_t step) = 0;
  /// Between two steps: the step after which all ranks stop; UINT64_MAX: none so far.
  virtual Expected<uint64_t> stopStep(uint64_t step) = 0;
  /// Tells the others that this rank cannot go on.
  virtual void fail(const Error &error) = 0;

protected:
  Communicator(unsigned rank, unsigned size) : ownRank(rank), count(size) {}

private:
  unsigned ownRank, count;
};

/// The only rank of a job of one.
class SoloCommunicator final : public Communicator {
public:
  SoloCommunicator() : Communicator(0, 1) {}
  Status sum(std::span<double>) override { return Status::ok(); }
  Status broadcast(std::span<std::byte>) override { return Status::ok(); }
  Status gather(std::span<const std::byte> own, std::span<const uint64_t>,
                std::span<std::byte> all) override {
    std::ranges::copy(own, all.begin());
    return Status::ok();
  }
  Expected<uint64_t> begin(Collective, Arena &, uint64_t, uint64_t) override { return uint64_t(0); }
  Status finish(uint64_t) override { return Status::ok(); }
  Status check() override { return Status::ok(); }
  void noteStep(uint64_t) override {}
  Status requestStop(uint64_t step) override {
    lastStep = step;
    return Status::ok();
  }
  Expected<uint64_t> stopStep(uint64_t) override { return lastStep; }
  void fail(const Error &) override {}

private:
  uint64_t lastStep = UINT64_MAX;
};

} // namespace danaus
