// See Cupti.h.
#include "runtime/device/cuda/Cupti.h"

#include "runtime/trace/Recorder.h"

#include <mutex>
#include <vector>

namespace danaus::cuda {

namespace {

constexpr size_t bufferBytes = 1 << 20, bufferAlign = 8;

/// CUPTI calls back without saying whom: what it has filled waits here to be taken.
struct Buffers {
  struct Filled {
    uint8_t *memory;
    size_t validBytes;
  };
  std::mutex mutex;
  std::vector<Filled> filled;
};
Buffers &buffers() {
  static auto *one = new Buffers; // CUPTI's thread may outlive the statics of the process
  return *one;
}

void request(uint8_t **buffer, size_t *bytes, size_t *mostRecords) {
  *buffer = static_cast<uint8_t *>(std::aligned_alloc(bufferAlign, bufferBytes));
  *bytes = *buffer ? bufferBytes : 0; // without one CUPTI drops records
  *mostRecords = 0;                   // as many as have room
}
void complete(CUcontext, uint32_t, uint8_t *buffer, size_t, size_t validBytes) {
  std::lock_guard lock(buffers().mutex);
  buffers().filled.push_back({buffer, validBytes});
}

std::vector<Buffers::Filled> takeFilled() {
  std::lock_guard lock(buffers().mutex);
  return std::exchange(buffers().filled, {});
}

/// Under CUDA's folder, and where older toolkits have it.
std::vector<std::string> candidates() {
  std::vector<std::string> all;
  for (const char *name : {"libcupti.so.13", "libcupti.so.12", "libcupti.so"})
    for (std::string &candidate : cudaCandidates(name))
      all.push_back(std::move(candidate));
  std::vector<std::string> extras = cudaCandidates("../extras/CUPTI/lib64/libcupti.so");
  all.insert(all.end(), extras.begin() + 1, extras.end()); // not beside the working folder
  return all;
}

} // namespace

Status Cupti::load(const Driver &driver) {
  std::optional<DynamicLibrary> library;
  auto find = [&](const char *symbol) {
    return library ? library->find(symbol) : driver.find(symbol);
  };
  path = driver.path();
  if (driver.kind() == DriverKind::Cuda) {
    auto opened = DynamicLibrary::open(candidates());
    if (!opened)
      return Error(ExitCode::DeviceUnavailable,
                   "CUPTI, of the CUDA toolkit, is not here: " + opened.error().message());
    library = std::move(*opened);
    path = library->path();
  }
  std::string absent;
#define CUPTI_FUNCTION(name, symbol, ...)                                                          \
  if (name = reinterpret_cast<int (*)(__VA_ARGS__)>(find(#symbol)); !name)                         \
    absent = #symbol;
#include "runtime/device/cuda/Cupti.inc"
#undef CUPTI_FUNCTION
  return absent.empty() ? Status::ok()
                        : Error(ExitCode::DeviceUnavailable,
                                path + " has no " + absent + ": CUPTI 12 or newer is needed");
}

Status Cupti::check(int result, const char *what) const {
  if (result == CuptiSuccess)
    return Status::ok();
  const char *text = nullptr;
  if (getResultString(result, &text) != CuptiSuccess || !text)
    text = "an unknown error";
  bool isForbidden =
      result == CuptiInsufficientPrivileges || result == CuptiVirtualInsufficientPrivileges;
  return Error(ExitCode::DeviceUnavailable,
               std::string("CUPTI, ") + what + ": " + text +
                   (isForbidden ? "; root may, and all users with the kernel module's option "
                                  "NVreg_RestrictProfilingToAdminUsers=0"
                                : ""));
}

Expected<std::unique_ptr<Cupti>> Cupti::start(const Driver &driver) {
  std::unique_ptr<Cupti> cupti(new Cupti);
  if (Status status = cupti->load(driver); !status)
    return status.takeError();
  if (Status status = cupti->enable(); !status)
    return status.takeError();
  if (Status status = cupti->align(); !status)
    return status.takeError();
  return cupti;
}

Status Cupti::enable() {
  if (Status status = check(registerCallbacks(request, complete), "registering"); !status)
    return status;
  for (ActivityKind kind : {ActivityOfKernel, ActivityOfMemcpy})
    if (Status status = check(enableKind(kind), "beginning to record"); !status)
      return status;
  return Status::ok();
}

/// The narrowest of a few readings of both clocks.
Status Cupti::align() {
  uint64_t narrowest = ~uint64_t(0);
  for (int i = 0; i < 5; ++i) {
    uint64_t theirs = 0, before = trace::now();
    if (Status status = check(getTimestamp(&theirs), "reading its clock"); !status)
      return status;
    uint64_t after = trace::now();
    if (after - before < narrowest) {
      narrowest = after - before;
      offset = int64_t(before + narrowest / 2) - int64_t(theirs);
    }
  }
  return Status::ok();
}

Cupti::~Cupti() {
  if (!disableKind)
    return;
  for (ActivityKind kind : {ActivityOfKernel, ActivityOfMemcpy})
    (void)disableKind(kind);
  (void)flush(0);
  for (const Buffers::Filled &buffer : takeFilled())
    std::free(buffer.memory);
}

std::string Cupti::version() const {
  uint32_t number = 0; // 130001 is that of CUDA 13.0
  if (getVersion(&number) != CuptiSuccess || number < 10000)
    return "CUPTI";
  return format("CUPTI %u.%u", number / 10000, number / 100 % 100);
}

std::optional<uint32_t> Cupti::idOf(CUcontext context, CUstream stream) const {
  uint32_t id = 0;
  return getStreamId(context, stream, 0, &id) == CuptiSuccess ? std::optional(id) : std::nullopt;
}

Status Cupti::take(const std::function<void(const Activity &)> &each) {
  Status status = check(flush(0), "collecting records");
  auto here = [&](uint64_t theirs) { return uint64_t(int64_t(theirs) + offset); };
  for (const Buffers::Filled &buffer : takeFilled()) {
    void *record = nullptr;
    while (nextRecord(buffer.memory, buffer.validBytes, &record) == CuptiSuccess) {
      Activity activity;
      activity.kind = *static_cast<ActivityKind *>(record);
      if (activity.kind == ActivityOfKernel) {
        const auto &kernel = *static_cast<ActivityKernel *>(record);
        activity.streamId = kernel.streamId;
        activity.begin = here(kernel.start);
        activity.end = here(kernel.end);
        activity.kernel = kernel.name ? kernel.name : "a kernel";
      } else if (activity.kind == ActivityOfMemcpy) {
        const auto &copy = *static_cast<ActivityMemcpy *>(record);
        activity.streamId = copy.streamId;
        activity.begin = here(copy.start);
        activity.end = here(copy.end);
        activity.copy = CopyKind(copy.copyKind);
        activity.bytes = copy.bytes;
      } else {
        continue;
      }
      each(activity);
    }
    std::free(buffer.memory);
  }
  return status;
}

} // namespace danaus::cuda
