// See StepTrace.h.
#include "runtime/measure/StepTrace.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/trace/TraceFile.h"

#include <algorithm>

namespace danaus {

namespace {
/// Bytes of a text in one double, which sums of zeros and them keep as they are.
constexpr size_t bytesOfNumber = 4;
} // namespace

Expected<std::vector<std::string>> gather(Communicator &ranks, const std::string &own) {
  std::vector<double> sizes(ranks.size());
  sizes[ranks.rank()] = double(own.size());
  if (Status status = ranks.sum(sizes); !status)
    return status.takeError();
  std::vector<std::string> all;
  for (unsigned rank = 0; rank < ranks.size(); ++rank) {
    std::string text(size_t(sizes[rank]), '\0');
    if (rank == ranks.rank())
      text = own;
    std::vector<double> numbers((text.size() + bytesOfNumber - 1) / bytesOfNumber);
    if (rank == ranks.rank())
      for (size_t i = 0; i < text.size(); ++i)
        numbers[i / bytesOfNumber] +=
            double(uint32_t(uint8_t(text[i])) << (8 * (i % bytesOfNumber)));
    if (Status status = ranks.sum(numbers); !status)
      return status.takeError();
    for (size_t i = 0; i < text.size(); ++i)
      text[i] = char(uint32_t(numbers[i / bytesOfNumber]) >> (8 * (i % bytesOfNumber)));
    all.push_back(std::move(text));
  }
  return all;
}

StepTrace::StepTrace(const RunFolder &run, Device &device, Communicator &ranks, uint64_t steps,
                     uint64_t left, std::function<void(const std::string &)> onNote)
    : run(run), device(device), ranks(ranks), onNote(std::move(onNote)),
      untilFirst(std::min(WarmSteps, left - std::min(left, steps))), left(std::min(left, steps)) {}

Status StepTrace::begin(uint64_t step) {
  if (!left || untilFirst || trace::isOn())
    return Status::ok();
  trace::nameThread("main");
  if (Status status = device.beginTrace(); !status)
    return status;
  double nothing = 0;
  if (Status status = ranks.sum(std::span(&nothing, 1)); !status)
    return status;
  firstStep = step;
  trace::start();
  return Status::ok();
}

Status StepTrace::end() {
  if (!left)
    return Status::ok();
  if (untilFirst) {
    --untilFirst;
    return Status::ok();
  }
  return --left ? Status::ok() : write();
}

Expected<trace::Recording> stopTrace(Device &device) {
  auto deviceTimes = device.endTrace();
  trace::Recording recording = trace::stop();
  if (!deviceTimes)
    return deviceTimes.takeError();
  recording.deviceTimes = *deviceTimes;
  return recording;
}

Status StepTrace::write() {
  auto recording = stopTrace(device);
  if (!recording)
    return recording.takeError();
  uint64_t leftOut = 0;
  auto all = gather(
      ranks, trace::eventsOf(*recording, ranks.rank(), trace::MostBytes / ranks.size(), leftOut));
  if (!all)
    return all.takeError();
  double lost = double(leftOut);
  if (Status status = ranks.sum(std::span(&lost, 1)); !status)
    return status;
  if (!ranks.isFirst())
    return Status::ok();
  std::string path = run.file("trace.json");
  if (pathExists(path))
    path = run.file(format("trace-step-%zu.json", size_t(firstStep)));
  std::string text = trace::traceFile(*all, *recording, uint64_t(lost));
  if (Status status = writeFileAtomically(path, text); !status)
    return status;
  onNote(path + ": the steps from " + std::to_string(firstStep) + " on, for ui.perfetto.dev" +
         (recording->deviceTimes.empty() ? "" : "; times of the GPU by " + recording->deviceTimes) +
         (lost > 0 ? format("; %.0f spans left out, which the file has no room for: profile.steps "
                            "takes fewer",
                            lost)
                   : ""));
  return Status::ok();
}

} // namespace danaus
