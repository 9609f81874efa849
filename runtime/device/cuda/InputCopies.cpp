// See InputCopies.h.
#include "runtime/device/cuda/InputCopies.h"

#include <utility>

namespace danaus::cuda {

InputCopies::~InputCopies() {
  const Driver &driver = context->driver();
  if (stream)
    (void)driver.streamSynchronize(stream);
  (void)context->synchronize();
  for (auto &[place, staging] : places)
    (void)driver.release(staging.address);
  for (CUevent event : {copied, taken})
    if (event)
      (void)driver.eventDestroy(event);
  if (stream) {
    context->trace().forgetStream(stream);
    (void)driver.streamDestroy(stream);
  }
}

Status InputCopies::prepare() {
  if (stream)
    return Status::ok();
  const Driver &driver = context->driver();
  for (CUevent *event : {&copied, &taken})
    if (Status status =
            context->check(driver.eventCreate(event, EventDisableTiming), "making an event");
        !status)
      return status;
  Status status =
      context->check(driver.streamCreate(&stream, StreamNonBlocking), "making a stream");
  if (status)
    context->trace().nameStream(stream, "input copies");
  return status;
}

Status InputCopies::begin(CUdeviceptr place, std::span<const std::byte> from) {
  if (Status status = prepare(); !status)
    return status;
  const Driver &driver = context->driver();
  Staging &staging = places[place];
  if (staging.capacity < from.size()) {
    if (Status status = context->synchronize(); !status)
      return status;
    if (staging.address)
      (void)driver.release(std::exchange(staging.address, 0));
    staging.capacity = 0;
    if (Status status = context->check(driver.allocate(&staging.address, from.size()),
                                       "allocating memory for input copies");
        !status)
      return status;
    staging.capacity = from.size();
  }
  // What was copied last must have left.
  if (isTaken)
    if (Status status = context->check(driver.streamWaitEvent(stream, taken, 0), "ordering copies");
        !status)
      return status;
  staging.pending = from.size();
  StreamSpan span(context->trace(), stream, trace::Kind::Copy, "copy to the GPU");
  return context->check(driver.copyToDevice(staging.address, from.data(), from.size(), stream),
                        "copying to the GPU");
}

Status InputCopies::finish() {
  const Driver &driver = context->driver();
  bool any = false;
  for (auto &[place, staging] : places)
    any |= staging.pending > 0;
  if (!any)
    return Status::ok();
  int result = driver.eventRecord(copied, stream);
  if (result == Success)
    result = driver.streamWaitEvent(context->stream(), copied, 0);
  for (auto &[place, staging] : places)
    if (size_t bytes = std::exchange(staging.pending, 0); bytes > 0 && result == Success) {
      StreamSpan span(context->trace(), context->stream(), trace::Kind::Copy, "copy on the GPU");
      result = driver.copyOnDevice(place, staging.address, bytes, context->stream());
    }
  if (result == Success)
    result = driver.eventRecord(taken, context->stream());
  isTaken = true;
  return context->check(result, "copying input to its place");
}

Status InputCopies::synchronize() const {
  return stream ? context->check(context->driver().streamSynchronize(stream), "copying to the GPU")
                : Status::ok();
}

void InputCopies::forget(CUdeviceptr arena, uint64_t bytes) {
  for (auto at = places.lower_bound(arena); at != places.end() && at->first < arena + bytes;) {
    (void)context->driver().release(at->second.address);
    at = places.erase(at);
  }
}

} // namespace danaus::cuda
