// See TrainPrinter.h.
#include "tools/danaus/runs/TrainPrinter.h"

#include "runtime/exec/Update.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"
#include "tools/danaus/models/ConversionTable.h"

#include <cmath>

namespace danaus::tool {

using ull = unsigned long long;

static std::string comparedWithDense(const fb::Phase &phase, uint64_t dense) {
  if (!dense || phase.params() == dense)
    return "dense";
  double percent = 100 * (1 - double(phase.params()) / double(dense));
  return format("%.0f %% %s than dense", std::abs(percent), percent > 0 ? "fewer" : "more");
}

void TrainPrinter::onPhase(Executor &executor, uint64_t phase) {
  line.clear();
  start = epochStart = Clock::now();
  steps = epochImages = 0;
  if (table == TableStyle::Off)
    return;
  const fb::Model &model = executor.model();
  unsigned threads = executor.threads();
  if (size_t phases = model.phases()->size(); phases > 1)
    std::printf("phase %llu of %zu: ", ull(phase), phases);
  std::string ranks =
      executor.ranks().isAlone() ? "" : format("%u ranks of ", executor.ranks().size());
  std::printf("%s   %s params (%s)   %s   %s%s, %u thread%s   %zu kernels/step\n",
              model.name()->c_str(), thousands(executor.phase().params()).c_str(),
              comparedWithDense(executor.phase(), model.dense_params()).c_str(),
              describeDtype(model, executor.plan()).c_str(), ranks.c_str(),
              std::string(executor.device().kind()).c_str(), threads, threads == 1 ? "" : "s",
              size_t(updateLaunches(executor)));
  if (!model.data()->validation() && phase == model.phases()->size())
    std::puts("no validation images (data.validation=0): best is the last epoch");
  std::printf("%5s %12s %10s %9s %8s %7s %10s\n", "epoch", "train loss", "val loss", "val acc",
              "lr", "time", "images/s");
  std::fflush(stdout);
}

void TrainPrinter::onBorder(const BorderReport &report) {
  line.clear();
  if (table == TableStyle::Off)
    return;
  std::fputs(conversionTable(report.layers).c_str(), stdout);
  std::printf("loss of a batch, before and after   %.4f   %.4f\n", report.lossBefore,
              report.lossAfter);
}

void TrainPrinter::onStep(const StepProgress &progress) {
  steps += 1;
  epochImages += progress.images;
  if (!line.due())
    return;
  std::chrono::duration<double> total = Clock::now() - start, epoch = Clock::now() - epochStart;
  double left = total.count() / double(steps) * double(progress.stepsLeft);
  line.show(format("epoch %llu/%llu   step %s/%s   loss %.4f   %s images/s   %s left",
                   ull(progress.epoch), ull(progress.epochs), thousands(progress.step).c_str(),
                   thousands(progress.stepsPerEpoch).c_str(), double(progress.loss),
                   thousands(uint64_t(double(epochImages) / epoch.count())).c_str(),
                   formatSeconds(left).c_str()));
}

static std::string fourDigits(const std::optional<double> &value) {
  return value ? format("%.4f", *value) : "-";
}

void TrainPrinter::onEpoch(const EpochRow &row, uint64_t) {
  epochStart = Clock::now();
  epochImages = 0;
  line.clear();
  if (table == TableStyle::Off)
    return;
  std::printf("%5llu %12.4f %10s %9s %8s %7s %10s\n", ull(row.epoch), row.trainLoss,
              fourDigits(row.valLoss).c_str(), fourDigits(row.valAccuracy).c_str(),
              formatRate(row.lr).c_str(), formatSeconds(row.seconds).c_str(),
              thousands(uint64_t(row.imagesPerSecond)).c_str());
  std::fflush(stdout);
}

void TrainPrinter::onNote(const std::string &sentence) {
  line.clear();
  std::fprintf(stderr, "note: %s\n", sentence.c_str());
}

void TrainPrinter::printResult(const RunSummary &summary, const RunFolder &run) {
  line.clear();
  const char *why = summary.bestValAccuracy ? "the best on validation" : "the last";
  std::printf("test accuracy %s (weights of epoch %llu, %s)   %s\n",
              fourDigits(summary.testAccuracy).c_str(), ull(summary.bestEpoch), why,
              run.file("report.html").c_str());
}

} // namespace danaus::tool
