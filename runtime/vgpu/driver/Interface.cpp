// The virtual GPU's face: the functions of CUDA's driver, with the names and the rules of the real
// one. Here devices, memory, code and errors.
#include "runtime/vgpu/driver/Interface.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace danaus;
using namespace danaus::vgpu;
using namespace danaus::cuda;

Stream *vgpu::streamOf(CUstream handle) {
  if (handle)
    return reinterpret_cast<Stream *>(handle);
  static std::map<Gpu *, std::unique_ptr<Stream>> defaults;
  Gpu *gpu = machine().current;
  if (!gpu)
    return nullptr;
  std::unique_ptr<Stream> &stream = defaults[gpu];
  if (!stream)
    stream.reset(new Stream{gpu, gpu->newLane(), {}});
  return stream.get();
}

int vgpu::makeNode(LaunchNode &node, CUfunction function, const unsigned grid[3],
                   const unsigned block[3], unsigned sharedBytes, void *const *parameters) {
  if (!function)
    return InvalidValue;
  node.function = reinterpret_cast<Function *>(function);
  std::copy(grid, grid + 3, node.config.grid);
  std::copy(block, block + 3, node.config.block);
  node.config.dynamicSharedBytes = sharedBytes;
  const KernelInfo &info = *node.function->info;
  node.parameters.resize(info.parameterBlockBytes);
  for (size_t i = 0; i < info.parameterOffsets.size(); ++i)
    std::memcpy(node.parameters.data() + info.parameterOffsets[i], parameters[i],
                info.parameterBytes[i]);
  return Success;
}

/// Shared memory of a block: CUDA C++ Programming Guide, compute capabilities.
static int sharedBytesOf(unsigned sm) {
  return 1024 * (sm < 75                ? 96
                 : sm < 80              ? 64
                 : sm == 80 || sm == 87 ? 163
                 : sm < 90 || sm >= 120 ? 99
                                        : 227);
}

EXPORT cuInit(unsigned) {
  Lock lock(machine().mutex);
  return Success;
}
EXPORT cuDriverGetVersion(int *version) {
  *version = 12000;
  return Success;
}
EXPORT cuDeviceGetCount(int *count) {
  *count = int(machine().gpus.size());
  return Success;
}
EXPORT cuDeviceGet(int *device, int ordinal) {
  if (ordinal < 0 || size_t(ordinal) >= machine().gpus.size())
    return InvalidDevice;
  *device = ordinal;
  return Success;
}
EXPORT cuDeviceGetName(char *name, int length, int device) {
  if (size_t(device) >= machine().gpus.size())
    return InvalidDevice;
  std::snprintf(name, size_t(length), "vGPU");
  return Success;
}
EXPORT cuDeviceGetAttribute(int *value, int attribute, int device) {
  unsigned sm = machine().gpus.at(size_t(device))->sm;
  switch (attribute) {
  case MultiprocessorCount:
    *value = 108;
    return Success;
  case ComputeCapabilityMajor:
    *value = int(sm / 10);
    return Success;
  case ComputeCapabilityMinor:
    *value = int(sm % 10);
    return Success;
  case SharedBytesOptin:
    *value = sharedBytesOf(sm);
    return Success;
  default:
    *value = 0;
    return InvalidValue;
  }
}
EXPORT cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = machine().gpus.at(size_t(device))->memory.capacity();
  return Success;
}
EXPORT cuDevicePrimaryCtxRetain(CUcontext *context, int device) {
  *context = reinterpret_cast<CUcontext>(machine().gpus.at(size_t(device)).get());
  return Success;
}
EXPORT cuDevicePrimaryCtxRelease_v2(int) { return Success; }
EXPORT cuCtxSetCurrent(CUcontext context) {
  Lock lock(machine().mutex);
  machine().current = reinterpret_cast<Gpu *>(context);
  return Success;
}

// --- memory ----------------------------------------------------------------

EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  Lock lock(machine().mutex);
  if (!machine().current)
    return InvalidContext;
  *total = machine().current->memory.capacity();
  *free = *total - machine().current->memory.used();
  return Success;
}
EXPORT cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  Lock lock(machine().mutex);
  if (!machine().current)
    return InvalidContext;
  if (bytes == 0)
    return InvalidValue;
  auto allocated = machine().current->memory.allocate(bytes);
  if (!allocated)
    return OutOfMemory;
  *address = *allocated;
  return Success;
}
EXPORT cuMemFree_v2(CUdeviceptr address) {
  Lock lock(machine().mutex);
  uint64_t start = 0, bytes = 0;
  for (auto &gpu : machine().gpus)
    if (gpu->memory.find(address, start, bytes))
      return gpu->memory.free(address) ? Success : InvalidValue;
  return InvalidValue;
}
EXPORT cuMemAllocHost_v2(void **memory, size_t bytes) {
  Lock lock(machine().mutex);
  *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*memory)
    machine().pinned[*memory] = bytes;
  return *memory ? Success : OutOfMemory;
}
EXPORT cuMemFreeHost(void *memory) {
  Lock lock(machine().mutex);
  machine().forgetPinned(memory);
  std::free(memory);
  return Success;
}
EXPORT cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t count, CUstream handle) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  Order order = stream->gpu->nextOrder(stream->lane, stream->known, "memset");
  const auto byte = static_cast<std::byte>(value);
  return machine().afterwards(*stream->gpu,
                              stream->gpu->memory.fill(address, {&byte, 1}, count, order));
}
EXPORT cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream handle) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  RecordedActivity activity(machine().activities, copyRecord(*stream, CopyToDevice, bytes));
  Order order = stream->gpu->nextOrder(stream->lane, stream->known, "copy to the GPU");
  Status status =
      stream->gpu->memory.write(to, {static_cast<const std::byte *>(from), bytes}, order);
  machine().watch(*stream, from, bytes);
  return machine().afterwards(*stream->gpu, status);
}
EXPORT cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream handle) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  RecordedActivity activity(machine().activities, copyRecord(*stream, CopyOnDevice, bytes));
  std::vector<std::byte> content(bytes);
  Order read = stream->gpu->nextOrder(stream->lane, stream->known, "copy on the GPU");
  Status status = stream->gpu->memory.read(from, content, read);
  Order write = stream->gpu->nextOrder(stream->lane, stream->known, "copy on the GPU");
  if (status)
    status = stream->gpu->memory.write(to, content, write);
  return machine().afterwards(*stream->gpu, status);
}
EXPORT cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream handle) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  RecordedActivity activity(machine().activities, copyRecord(*stream, CopyToHost, bytes));
  Order order = stream->gpu->nextOrder(stream->lane, stream->known, "copy from the GPU");
  Status status = stream->gpu->memory.read(from, {static_cast<std::byte *>(to), bytes}, order);
  return machine().afterwards(*stream->gpu, status);
}

// --- code ------------------------------------------------------------------

EXPORT cuModuleLoadData(CUmodule *module, const void *image) {
  Lock lock(machine().mutex);
  if (!machine().current)
    return InvalidContext;
  const char *text = static_cast<const char *>(image);
  if (std::memcmp(text, "\177ELF", 4) == 0) // machine code: there is no machine
    return NoBinaryForGpu;
  Gpu &gpu = *machine().current;
  auto loaded = Module::load(text, gpu.sm, gpu.memory);
  if (!loaded) {
    machine().lastFinding = loaded.error().message();
    std::fprintf(stderr, "vgpu: %s\n", loaded.error().message().c_str());
    return InvalidPtx;
  }
  *module = reinterpret_cast<CUmodule>(new LoadedImage{&gpu, std::move(*loaded)});
  return Success;
}
EXPORT cuModuleUnload(CUmodule module) {
  Lock lock(machine().mutex);
  delete reinterpret_cast<LoadedImage *>(module);
  return Success;
}
EXPORT cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  Lock lock(machine().mutex);
  auto *image = reinterpret_cast<LoadedImage *>(module);
  const KernelInfo *info = image->module->find(name);
  if (!info)
    return NotFound;
  static std::vector<std::unique_ptr<Function>> functions; // handles live as long as the process
  functions.push_back(std::make_unique<Function>(Function{image, name, info}));
  *function = reinterpret_cast<CUfunction>(functions.back().get());
  return Success;
}
EXPORT cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  if (attribute != MaxDynamicSharedBytes)
    return Success;
  return value <= sharedBytesOf(reinterpret_cast<Function *>(function)->image->gpu->sm)
             ? Success
             : InvalidValue;
}
EXPORT cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                      CUstream handle, void **parameters, void **) {
  Lock lock(machine().mutex);
  if (machine().sticky != Success)
    return machine().sticky;
  const unsigned grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  LaunchNode node;
  if (int result = makeNode(node, function, grid, block, sharedBytes, parameters);
      result != Success)
    return result;
  Stream *stream = streamOf(handle);
  if (!stream || stream->gpu != node.function->image->gpu)
    return InvalidContext;
  RecordedActivity activity(machine().activities, kernelRecord(*stream, *node.function));
  return machine().run(
      node, stream->gpu->nextOrder(stream->lane, stream->known, "kernel " + node.function->name));
}

// --- errors ----------------------------------------------------------------

EXPORT cuGetErrorName(int error, const char **name) {
  switch (error) {
  case Success:
    *name = "CUDA_SUCCESS";
    break;
  case InvalidValue:
    *name = "CUDA_ERROR_INVALID_VALUE";
    break;
  case OutOfMemory:
    *name = "CUDA_ERROR_OUT_OF_MEMORY";
    break;
  case InvalidDevice:
    *name = "CUDA_ERROR_INVALID_DEVICE";
    break;
  case InvalidContext:
    *name = "CUDA_ERROR_INVALID_CONTEXT";
    break;
  case NoBinaryForGpu:
    *name = "CUDA_ERROR_NO_BINARY_FOR_GPU";
    break;
  case InvalidPtx:
    *name = "CUDA_ERROR_INVALID_PTX";
    break;
  case NotFound:
    *name = "CUDA_ERROR_NOT_FOUND";
    break;
  case IllegalAddress:
    *name = "CUDA_ERROR_ILLEGAL_ADDRESS";
    break;
  case LaunchFailed:
    *name = "CUDA_ERROR_LAUNCH_FAILED";
    break;
  default:
    *name = nullptr;
    return InvalidValue;
  }
  return Success;
}
/// What the virtual GPU found says more than the driver's own words.
EXPORT cuGetErrorString(int error, const char **text) {
  static thread_local std::string kept;
  {
    Lock lock(machine().mutex);
    kept = machine().lastFinding;
  }
  bool hasFinding = error == IllegalAddress || error == LaunchFailed || error == InvalidPtx ||
                    error == InvalidValue;
  *text = hasFinding && !kept.empty() ? kept.c_str()
          : error == OutOfMemory      ? "out of memory"
          : error == NoBinaryForGpu   ? "no kernel image is available for execution on the device"
          : error == NotFound         ? "named symbol not found"
          : error == InvalidContext   ? "invalid device context"
          : error == InvalidDevice    ? "invalid device ordinal"
                                      : "invalid argument";
  return Success;
}

/// Not CUDA's: what kernels have done (KernelCountersFunction).
extern "C" __attribute__((visibility("default"))) uint64_t danausKernelCounters(KernelCounters *to,
                                                                                uint64_t capacity) {
  Lock lock(machine().mutex);
  std::vector<KernelCounters> all = machine().counters();
  std::copy_n(all.begin(), std::min<uint64_t>(all.size(), capacity), to);
  return all.size();
}
