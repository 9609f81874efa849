// Single kernels as the compiler makes them, held against the limits of this very core, measured in
// turns with the kernel: danaus_bench_kernels [--benchmark_filter=chain/.*/avx512]
// [--benchmark_format=json]. One thread. The time that Google Benchmark shows is that of the
// kernels alone. Counters: GFLOPs or GBs (of the kernel), limit (registers, or a copy of as many
// bytes), share (of that limit, median over the turns), best_share (the best kernel by the best
// limit), of_tile (share of a register tile fed from the first-level cache), of_fused (for AMX:
// share of AVX-512's multiply-adds), with_packing (share if the time of packing its operands is
// counted too).
#include "bench/kernels/Workload.h"
#include "bench/kernels/Yardstick.h"

#include <algorithm>
#include <benchmark/benchmark.h>

using namespace danaus;
using namespace danaus::bench;

namespace {

double medianOf(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

/// What the turns of one benchmark gave; rates are operations or bytes in a second.
struct Turns {
  std::vector<double> rate, limit, share, ofTile, ofFused, withPacking;

  void report(::benchmark::State &state, const char *unit) const {
    auto best = [](const std::vector<double> &values) { return *std::ranges::max_element(values); };
    state.counters[unit] = medianOf(rate) * 1e-9;
    state.counters["limit"] = medianOf(limit) * 1e-9;
    state.counters["share"] = medianOf(share);
    state.counters["best_share"] = best(rate) / best(limit);
    if (!ofTile.empty())
      state.counters["of_tile"] = medianOf(ofTile);
    if (!ofFused.empty())
      state.counters["of_fused"] = medianOf(ofFused);
    if (!withPacking.empty())
      state.counters["with_packing"] = medianOf(withPacking);
  }
};

/// A turn: the kernel, and the limit before and after it (the better counts).
Status turn(Workload &workload, ::benchmark::State &state, const Yardstick &yardstick,
            CopyYardstick *copy, bool packs, Turns &turns) {
  auto limitNow = [&] { return copy ? copy->rate() : registerRate(yardstick); };
  double limit = limitNow();
  Expected<KernelTimes> times = workload.run();
  if (!times)
    return times.takeError();
  limit = std::max(limit, limitNow());
  double amount = double(copy ? workload.bytes() : workload.flops());
  turns.rate.push_back(amount / times->kernels);
  turns.limit.push_back(limit);
  turns.share.push_back(amount / times->kernels / limit);
  if (!copy && &yardstick == &amxYardstick)
    turns.ofFused.push_back(amount / times->kernels / registerRate(avx512Yardstick));
  if (!copy && yardstick.tile)
    turns.ofTile.push_back(amount / times->kernels / tileRate(yardstick));
  if (packs)
    turns.withPacking.push_back(amount / (times->kernels + times->serving) / limit);
  state.SetIterationTime(times->kernels);
  return Status::ok();
}

void measure(::benchmark::State &state, const KernelCase &kernel, const std::string &isa) {
  const Yardstick *yardstick = findYardstick(isa);
  Expected<std::unique_ptr<Workload>> workload = Workload::open(kernel, isa);
  if (!workload)
    return state.SkipWithError(workload.error().message().c_str());
  std::unique_ptr<CopyYardstick> copy;
  if (kernel.limit == Limit::Copy)
    copy = std::make_unique<CopyYardstick>((*workload)->bytes() / 2);
  Turns turns;
  for (auto _ : state)
    if (Status status = turn(**workload, state, *yardstick, copy.get(), bool(kernel.serves), turns);
        !status)
      return state.SkipWithError(status.error().message().c_str());
  turns.report(state, copy ? "GBs" : "GFLOPs");
}

void registerAll(const std::vector<std::string> &isas) {
  for (const KernelCase &kernel : kernelCases())
    for (const std::string &isa : isas)
      if (findYardstick(isa))
        ::benchmark::RegisterBenchmark(
            (kernel.name + "/" + isa).c_str(),
            [kernel, isa](::benchmark::State &state) { measure(state, kernel, isa); })
            ->UseManualTime()
            ->Unit(::benchmark::kMillisecond);
}

} // namespace

int main(int argc, char **argv) {
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv))
    return int(ExitCode::Usage);
  auto device = builtinDevices().create("cpu", {.threads = 1});
  if (!device) {
    std::fprintf(stderr, "danaus_bench_kernels: %s\n", device.error().message().c_str());
    return int(device.error().code());
  }
  std::vector<std::string> isas = (*device)->isas();
  for (const std::string &isa : isas)
    if (const Yardstick *yardstick = findYardstick(isa))
      ::benchmark::AddCustomContext("limit_" + isa, std::string(yardstick->instructions));
  registerAll(isas);
  ::benchmark::RunSpecifiedBenchmarks();
}
