// See LayerPrediction.h.
#include "runtime/profile/LayerPrediction.h"

#include "runtime/profile/GpuModel.h"

namespace danaus {

uint32_t matrixProductsOf(const fb::TargetPlan &plan) {
  for (const fb::Program *program : *plan.programs())
    for (const fb::Stage *stage : *program->stages())
      for (const fb::Launch *launch : *stage->launches())
        if (launch->matrix_flops().value_or(0))
          return launch->matrix_products();
  return 0;
}

std::vector<ProcessorLimit> processorLimits(const Roofline &cpu, fb::DType dtype,
                                            uint32_t matrixProducts) {
  auto limitFor = [](Roofline of, uint32_t products) {
    if (products && of.matrixFlops > 0)
      of.flops = of.matrixRate(products);
    return of;
  };
  bool isFloat = dtype == fb::DType::F32;
  std::vector<ProcessorLimit> limits = {{"cpu", limitFor(cpu, matrixProducts)}};
  for (const GpuModel &gpu : gpuModels())
    if (gpu.sm >= 75)
      limits.push_back({"sm_" + std::to_string(gpu.sm), limitFor(limitOf(gpu), isFloat ? 0 : 1)});
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
  return 3e3 * limit.seconds({2 * size.weights * size.rows, bytes});
}

} // namespace danaus
