// See BenchCompare.h.
#include "tools/danaus/measure/BenchCompare.h"

#include "tools/danaus/command/Text.h"

#include <algorithm>
#include <utility>

namespace danaus::tool {

SampleRange rangeOf(std::vector<double> sample) {
  if (sample.empty())
    return {};
  std::ranges::sort(sample);
  size_t middle = sample.size() / 2;
  double median = sample.size() % 2 ? sample[middle] : (sample[middle - 1] + sample[middle]) / 2;
  return {median, sample.front(), sample.back()};
}

SampleRange ratioOf(const ComparedModel &first, const ComparedModel &second) {
  std::vector<double> ratios;
  for (size_t i = 0; i < first.rounds.size(); ++i)
    ratios.push_back(second.rounds[i] / first.rounds[i]);
  return rangeOf(std::move(ratios));
}

Status measureInTurns(Executor &first, Executor &second, Measured what,
                      const MeasureOptions &options, uint64_t rounds, ComparedModel &into,
                      ComparedModel &other) {
  auto measure = [&](Executor &executor, ComparedModel &model, bool counts) {
    MeasureOptions turn = options;
    if (!counts)
      turn = {.repeats = 1};
    auto times = measureSteps(executor, what, turn);
    if (!times)
      return Status(times.takeError());
    if (counts)
      model.rounds.push_back(times->median);
    return Status::ok();
  };
  for (uint64_t round = 0; round <= rounds; ++round) {
    bool counts = round > 0, isTurned = round % 2;
    for (bool isSecond : {isTurned, !isTurned})
      if (Status status = isSecond ? measure(second, other, counts) : measure(first, into, counts);
          !status)
        return status;
  }
  return Status::ok();
}

std::string describeComparison(const ComparedModel &first, const ComparedModel &second, bool json) {
  SampleRange ratio = ratioOf(first, second);
  if (json) {
    std::string text = format("{\"rounds\": %zu, \"models\": [", first.rounds.size());
    for (const ComparedModel *model : {&first, &second}) {
      SampleRange range = rangeOf(model->rounds);
      text += format("%s{\"name\": %s, \"batch\": %zu, \"ms_per_step\": %.6g, \"least_ms\": %.6g, "
                     "\"most_ms\": %.6g}",
                     model == &first ? "" : ", ", jsonString(model->name).c_str(),
                     size_t(model->batch), range.median, range.least, range.most);
    }
    return text + format("], \"ratio\": {\"median\": %.6g, \"least\": %.6g, \"most\": %.6g}}\n",
                         ratio.median, ratio.least, ratio.most);
  }
  using enum Table::Align;
  Table table({Left, Right, Right, Right, Right, Right});
  table.row({"model", "batch", "ms/step", "least", "most", "images/s"});
  for (const ComparedModel *model : {&first, &second}) {
    SampleRange range = rangeOf(model->rounds);
    double images = range.median > 0 ? 1e3 * double(model->batch) / range.median : 0;
    table.row({model->name, thousands(model->batch), format("%.4f", range.median),
               format("%.4f", range.least), format("%.4f", range.most),
               thousands(uint64_t(images))});
  }
  return table.text() +
         format("%s takes %.3f times as long as %s (%.3f to %.3f, %zu rounds in turns)\n",
                second.name.c_str(), ratio.median, first.name.c_str(), ratio.least, ratio.most,
                first.rounds.size());
}

} // namespace danaus::tool
