// See Workload.h.
#include "bench/kernels/Workload.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"

#include <unistd.h>

namespace danaus::bench {

constexpr MeasureOptions once{.warmups = 0, .repeats = 1, .seconds = 0};

/// build/PRESET/bench/kernels: specs keep their place, so that binaries are found in the cache.
static std::string specFolder() {
  char self[4096];
  ssize_t length = ::readlink("/proc/self/exe", self, sizeof(self) - 1);
  std::string path(self, length > 0 ? size_t(length) : 0);
  return joinPath(parentFolder(parentFolder(path)), "bench/kernels");
}

static std::string fileName(const std::string &name) {
  std::string text = name.substr(0, name.rfind("/forward"));
  for (char &c : text)
    if (c == '/')
      c = '_';
  return text + ".yaml";
}

Expected<std::unique_ptr<Workload>> Workload::open(const KernelCase &kernel,
                                                   const std::string &isa) {
  std::unique_ptr<Workload> workload(new Workload(kernel));
  if (Status status = workload->prepare(isa); !status)
    return status.takeError();
  if (Status status = workload->count(); !status)
    return status.takeError();
  return workload;
}

Status Workload::prepare(const std::string &isa) {
  std::string folder = specFolder(), path = joinPath(folder, fileName(kernel.name));
  if (Status status = makeFolders(folder); !status)
    return status;
  if (Status status = writeFileAtomically(path, kernel.spec); !status)
    return status;
  Expected<tool::CompiledModel> compiled = tool::compileModel({path, {}, "cpu:" + isa});
  if (!compiled)
    return compiled.takeError();
  model.emplace(std::move(*compiled));
  auto created = builtinDevices().create("cpu", {.threads = 1});
  if (!created)
    return created.takeError();
  device = std::move(*created);
  auto opened = Executor::open(model->file, *device);
  if (!opened)
    return opened.takeError();
  executor = std::move(*opened);
  return prepareMeasurement(*executor, kernel.what);
}

static LaunchView viewOf(const Executor &executor, const fb::Launch &launch) {
  return {launch.label()->str(), executor.plan().kernels()->Get(launch.kernel())->kind()->str(),
          launch.flops()};
}

Status Workload::count() {
  Expected<LaunchTimes> times = measureLaunches(*executor, kernel.what, once);
  if (!times)
    return times.takeError();
  std::string seen;
  for (const LaunchTime &time : times->launches) {
    LaunchView view = viewOf(*executor, *time.launch);
    seen += (seen.empty() ? "" : "; ") + view.label;
    if (!kernel.counts(view))
      continue;
    sumOfFlops += time.launch->flops();
    sumOfBytes += time.launch->bytes();
  }
  if (!sumOfBytes)
    return Error(ExitCode::Internal, "no launch is the one to measure: the program has " + seen);
  return Status::ok();
}

Expected<KernelTimes> Workload::run() {
  Expected<LaunchTimes> times = measureLaunches(*executor, kernel.what, once);
  if (!times)
    return times.takeError();
  KernelTimes sum;
  for (const LaunchTime &time : times->launches) {
    LaunchView view = viewOf(*executor, *time.launch);
    if (kernel.counts(view))
      sum.kernels += 1e-3 * time.milliseconds;
    else if (kernel.serves && kernel.serves(view))
      sum.serving += 1e-3 * time.milliseconds;
  }
  return sum;
}

} // namespace danaus::bench
