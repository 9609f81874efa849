// See Context.h.
#include "runtime/device/cuda/Context.h"

namespace danaus::cuda {

Expected<std::shared_ptr<Context>> Context::create(std::shared_ptr<Driver> driver, int ordinal) {
  int count = 0;
  if (Status status = driver->check(driver->deviceCount(&count), "counting GPUs"); !status)
    return status.takeError();
  if (ordinal >= count)
    return Error(ExitCode::DeviceUnavailable,
                 count == 0 ? std::string("the driver sees no GPU here (CUDA_VISIBLE_DEVICES?)")
                            : format("there is no GPU %d: the driver sees %d, numbered from 0",
                                     ordinal, count));
  int device = 0;
  if (Status status = driver->check(driver->deviceGet(&device, ordinal), "opening the GPU");
      !status)
    return status.takeError();
  std::shared_ptr<Context> context(new Context(std::move(driver), device));
  const Driver &calls = *context->library;
  if (Status status = context->check(calls.contextRetain(&context->context, device),
                                     "opening the GPU's context");
      !status)
    return status.takeError();
  if (Status status =
          context->check(calls.contextSetCurrent(context->context), "entering the GPU's context");
      !status)
    return status.takeError();
  if (Status status =
          context->check(calls.streamCreate(&context->work, StreamNonBlocking), "making a stream");
      !status)
    return status.takeError();
  context->spans->nameStream(context->work, "kernels");
  return context;
}

Context::~Context() {
  spans.reset(); // its events are of the context
  if (work)
    (void)library->streamDestroy(work);
  if (context)
    (void)library->contextRelease(device);
}

int Context::attribute(DeviceAttribute which) const {
  int value = 0;
  return library->deviceAttribute(&value, which, device) == Success ? value : 0;
}

std::string Context::name() const {
  char text[256] = {};
  return library->deviceName(text, sizeof(text) - 1, device) == Success ? text : "a GPU";
}

uint64_t Context::memoryBytes() const {
  size_t bytes = 0;
  return library->deviceMemory(&bytes, device) == Success ? bytes : 0;
}

Status Context::synchronize() const {
  return check(library->streamSynchronize(work), "running kernels");
}

} // namespace danaus::cuda
