// The types of CUDA's driver interface that we use, as of CUDA 12.0, without its header. The
// virtual GPU implements the same.
#pragma once

#include <cstddef>

namespace danaus::cuda {

using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphNode = struct CUgraphNode_st *;
using CUgraphExec = struct CUgraphExec_st *;

/// CUDA_KERNEL_NODE_PARAMS_v2.
struct KernelNodeParameters {
  CUfunction function;
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  void **parameters, **extra;
  void *kernel;
  CUcontext context;
};

enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialised = 3,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidContext = 201,
  InvalidImage = 200,
  NoBinaryForGpu = 209,
  InvalidPtx = 218,
  NotFound = 500,
  NotReady = 600,
  IllegalAddress = 700,
  LaunchFailed = 719,
  NotSupported = 801,
  Unknown = 999,
};

enum DeviceAttribute : int {
  MultiprocessorCount = 16,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  SharedBytesOptin = 97,
};
enum FunctionAttribute : int { MaxDynamicSharedBytes = 8 };
inline constexpr unsigned StreamNonBlocking = 1, EventDisableTiming = 2;

} // namespace danaus::cuda
