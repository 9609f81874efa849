// Seeded initial values of parameters. A value depends on the seed, the parameter's name and the
// element's index alone: not on the order of the parameters, the number of threads or the device.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/exec/Executor.h"
#include "runtime/plan/model_generated.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace danaus {

/// Fills one tensor: Zeros, Ones, Uniform(-scale, scale), or TruncatedNormal with standard
/// deviation `scale` before the cut at two of them.
void initialize(std::span<float> values, fb::InitKind kind, double scale, uint64_t seed,
                std::string_view name);

/// Fills all parameters of an executor; optimizer state is left as it is.
Status initializeParameters(Executor &executor, uint64_t seed);

} // namespace danaus
