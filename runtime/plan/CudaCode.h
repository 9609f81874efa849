// The section of a model file that holds CUDA code: cuda_code.fbs, written and checked.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/plan/cuda_code_generated.h"

#include <cstddef>
#include <span>
#include <string>

namespace danaus {

/// Most threads that a block can have on any GPU.
inline constexpr uint32_t MostBlockThreads = 1024;

/// The bytes of a section.
std::string packCudaCode(const fb::CudaCodeT &code);

/// The code in a section's bytes, which must outlive it, after every check that makes its fields
/// safe to use. CheckpointInvalid says what is wrong and what to do.
Expected<const fb::CudaCode *> readCudaCode(std::span<const std::byte> bytes);

} // namespace danaus
