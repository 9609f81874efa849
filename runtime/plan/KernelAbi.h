// How the runtime calls a CPU kernel: the one thing that generated code and the thread team share.
#pragma once

#include <cstdint>

namespace danaus {

/// Computes tile `tile` of a kernel. `buffers[i]` is the address of the kernel's i-th argument;
/// `scratch` points to at least Kernel.scratch_bytes bytes, 64-byte aligned, private to this call
/// and with undefined contents. Tiles of one launch may run in any order, on any threads.
using KernelFunction = void (*)(void *const *buffers, int64_t tile, void *scratch);

/// Alignment of every buffer in the arena and of scratch, in bytes.
inline constexpr uint64_t ArenaAlignment = 64;

} // namespace danaus
