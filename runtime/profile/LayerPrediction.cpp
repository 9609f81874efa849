// See LayerPrediction.h.
#include "runtime/profile/LayerPrediction.h"

#include "runtime/profile/GpuModel.h"

namespace danaus {

std::vector<ProcessorLimit> processorLimits(const std::optional<Roofline> &cpu, fb::DType dtype) {
  std::vector<ProcessorLimit> limits;
  bool isFloat = dtype == fb::DType::F32;
  if (cpu && isFloat)
    limits.push_back({"cpu", *cpu});
  for (const GpuModel &gpu : gpuModels()) {
    if (gpu.sm < 75)
      continue;
    double floats = 2 * gpu.floatLanes * gpu.multiprocessors * gpu.gigahertz * 1e9;
    limits.push_back({"sm_" + std::to_string(gpu.sm),
                      {isFloat ? floats : gpu.tensorFlops, gpu.dramBandwidth, 1}});
  }
  return limits;
}

std::optional<LinearSize> sizeOf(const fb::Layer &layer, uint64_t batch) {
  double in = double(layer.in_features()), out = double(layer.out_features());
  if (!layer.dense_macs() || in * out <= 0)
    return std::nullopt;
  double rows = double(layer.dense_macs()) / (in * out); // of a sample
  return LinearSize{rows * double(batch), in, out, double(layer.macs()) / rows};
}

LinearSize denseTwin(const LinearSize &size) {
  return {size.rows, size.in, size.out, size.in * size.out};
}

double predictedMilliseconds(const LinearSize &size, const Roofline &limit) {
  double bytes = 4 * (size.rows * (size.in + size.out) + size.weights);
  return 3e3 * limit.seconds(2 * size.weights * size.rows, bytes);
}

} // namespace danaus
