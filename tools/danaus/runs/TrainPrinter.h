// What `danaus train` shows: a header, the epoch table on stdout, the progress line on stderr.
#pragma once

#include "runtime/train/Trainer.h"
#include "tools/danaus/command/Progress.h"

namespace danaus::tool {

enum class TableStyle { Off, On };

class TrainPrinter : public TrainObserver {
public:
  TrainPrinter(TableStyle table, ProgressStyle progress) : table(table), line(progress) {}

  void printResult(const RunSummary &summary, const RunFolder &run);
  /// Before an error or anything else that is not ours.
  void clearLine() { line.clear(); }

  /// "mnist_mlp   118,666 params (29 % fewer than dense)   cpu, 2 threads   5 kernels/step" and
  /// the table's head.
  void onPhase(Executor &executor, uint64_t phase) override;
  void onBorder(const BorderReport &report) override;
  void onStep(const StepProgress &progress) override;
  void onEpoch(const EpochRow &row, uint64_t bestEpoch) override;
  void onNote(const std::string &sentence) override;

private:
  using Clock = std::chrono::steady_clock;

  TableStyle table;
  ProgressLine line;
  Clock::time_point start = Clock::now(), epochStart = start;
  uint64_t steps = 0, epochImages = 0;
};

} // namespace danaus::tool
