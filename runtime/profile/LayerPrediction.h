// What a linear would cost in a training step, by the rooflines of this CPU and of GPUs that are
// not here: a prediction that knows no caches, no launches and no other kernels.
#pragma once

#include "runtime/plan/ModelFile.h"
#include "runtime/profile/Roofline.h"

#include <optional>
#include <vector>

namespace danaus {

/// A processor's limit for a model's products.
struct ProcessorLimit {
  std::string name; ///< "cpu", "sm_75"
  Roofline limit;   ///< `flops`: of these products
};

/// The 16-bit products that a plan's matrix unit makes for each multiplication (KernelWork); 0
/// where no launch uses one.
uint32_t matrixProductsOf(const fb::TargetPlan &plan);

/// `cpu` comes first: by its matrix unit where that makes `matrixProducts` for each
/// multiplication, by its vector units where they are 0. GPUs by GpuModel.h: the oldest of each
/// architecture from sm_75 on. Products of float32 use its float units, of `dtype` else its tensor
/// cores.
std::vector<ProcessorLimit> processorLimits(const Roofline &cpu, fb::DType dtype,
                                            uint32_t matrixProducts);

/// A linear of `weights` parameters on `rows` rows.
struct LinearSize {
  double rows = 0, in = 0, out = 0, weights = 0;
};

/// The layer with `batch` samples, and its dense twin; nothing where it is not a linear.
std::optional<LinearSize> sizeOf(const fb::Layer &layer, uint64_t batch);
LinearSize denseTwin(const LinearSize &size);

/// Milliseconds of three products (forward, and the gradients of input and weight), each reading or
/// writing input, output and weight once: those of a layer that does as well as its arithmetic or
/// its traffic allows.
double predictedMilliseconds(const LinearSize &size, const Roofline &limit);

} // namespace danaus
