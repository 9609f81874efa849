// The functions of CUPTI that traces are made with, over the virtual GPU: buffers of records by
// callbacks, as the real one has them. DANAUS_VGPU=no-cupti forbids them.
#include "runtime/vgpu/driver/Interface.h"

#include <cstring>

using namespace danaus;
using namespace danaus::vgpu;
using namespace danaus::cuda;

namespace {

struct Callbacks {
  CuptiBufferRequested requested = nullptr;
  CuptiBufferCompleted completed = nullptr;
};
Callbacks &callbacks() {
  static Callbacks own;
  return own;
}

size_t bytesOf(ActivityKind kind) {
  return kind == ActivityOfKernel ? sizeof(ActivityKernel) : sizeof(ActivityMemcpy);
}

void write(const Activities::Record &from, uint8_t *to) {
  auto fill = [&](auto activity) {
    activity.kind = from.kind;
    activity.start = from.start;
    activity.end = from.end;
    activity.deviceId = from.device;
    activity.streamId = from.stream;
    if constexpr (std::is_same_v<decltype(activity), ActivityKernel>) {
      activity.name = from.kernel;
    } else {
      activity.copyKind = from.copy;
      activity.bytes = from.bytes;
    }
    std::memcpy(to, &activity, sizeof(activity));
  };
  from.kind == ActivityOfKernel ? fill(ActivityKernel{}) : fill(ActivityMemcpy{});
}

int enable(int kind, bool isOn) {
  Lock lock(machine().mutex);
  Activities &own = machine().activities;
  if (own.areForbidden)
    return CuptiInsufficientPrivileges;
  if (kind != ActivityOfKernel && kind != ActivityOfMemcpy)
    return CuptiInvalidParameter;
  (kind == ActivityOfKernel ? own.takesKernels : own.takesCopies) = isOn;
  return CuptiSuccess;
}

} // namespace

EXPORT cuptiGetVersion(uint32_t *version) {
  *version = 130000;
  return CuptiSuccess;
}
EXPORT cuptiGetResultString(int result, const char **text) {
  *text = result == CuptiSuccess                  ? "CUPTI_SUCCESS"
          : result == CuptiInsufficientPrivileges ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES"
                                                  : "CUPTI_ERROR_INVALID_PARAMETER";
  return CuptiSuccess;
}
EXPORT cuptiGetTimestamp(uint64_t *nanoseconds) {
  *nanoseconds = Activities::now();
  return CuptiSuccess;
}
EXPORT cuptiGetStreamIdEx(CUcontext, CUstream stream, uint8_t, uint32_t *id) {
  Lock lock(machine().mutex);
  Stream *own = streamOf(stream);
  if (!own)
    return CuptiInvalidParameter;
  *id = own->lane;
  return CuptiSuccess;
}
EXPORT cuptiActivityRegisterCallbacks(CuptiBufferRequested requested,
                                      CuptiBufferCompleted completed) {
  callbacks() = {requested, completed};
  return requested && completed ? CuptiSuccess : CuptiInvalidParameter;
}
EXPORT cuptiActivityEnable(int kind) { return enable(kind, true); }
EXPORT cuptiActivityDisable(int kind) { return enable(kind, false); }

EXPORT cuptiActivityFlushAll(uint32_t) {
  Lock lock(machine().mutex);
  std::vector<Activities::Record> records = std::exchange(machine().activities.records, {});
  for (size_t next = 0; next < records.size();) {
    uint8_t *buffer = nullptr;
    size_t bytes = 0, most = 0, used = 0;
    callbacks().requested(&buffer, &bytes, &most);
    for (size_t count = 0; next < records.size() && (most == 0 || count < most); ++count) {
      if (used + bytesOf(records[next].kind) > bytes)
        break;
      write(records[next], buffer + used);
      used += bytesOf(records[next++].kind);
    }
    if (used == 0) // no room at all: the rest is dropped, as CUPTI does
      return CuptiSuccess;
    callbacks().completed(nullptr, 0, buffer, bytes, used);
  }
  return CuptiSuccess;
}

/// `*record`: the last one, or null for the first.
EXPORT cuptiActivityGetNextRecord(uint8_t *buffer, size_t validBytes, void **record) {
  auto *last = static_cast<uint8_t *>(*record);
  size_t at = last ? size_t(last - buffer) + bytesOf(*reinterpret_cast<ActivityKind *>(last)) : 0;
  if (at >= validBytes)
    return CuptiMaxLimitReached;
  *record = buffer + at;
  return CuptiSuccess;
}
