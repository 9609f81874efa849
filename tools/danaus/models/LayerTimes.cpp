// See LayerTimes.h.
#include "tools/danaus/models/LayerTimes.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/measure/Measure.h"

#include <utility>

namespace danaus::tool {

/// The embedding makes the layer's input need a gradient, the mean ends the layer: neither is fused
/// with it, so that the launches which name the layer alone are its.
static std::string specOf(MeasuredLayer layer) {
  using ull = unsigned long long;
  if (layer.rows == 1) // one token has no mean that would end the layer: the batch becomes tokens
    std::swap(layer.rows, layer.batch);
  return format("name: layer\nmodel:\n  input: {shape: [%llu, %llu]}\n  layers:\n"
                "    - position_embedding\n    - linear: {name: layer, out: %llu}\n"
                "    - mean_tokens\ndata: {name: npy, dir: .}\ntrain: {batch_size: %llu}\n",
                ull(layer.rows), ull(layer.in), ull(layer.out), ull(layer.batch)) +
         "structure: [{match: layer, " + layer.structure + "}]\n";
}

Expected<double> measureLayer(const MeasuredLayer &layer, const ModelArguments &arguments) {
  auto folder = TemporaryFolder::create();
  if (!folder)
    return folder.takeError();
  ModelArguments one = arguments;
  one.model = (*folder)->path + "/layer.yaml";
  one.overrides.clear();
  if (Status status = writeFileAtomically(one.model, specOf(layer)); !status)
    return status.takeError();
  auto model = openModel(one);
  if (!model)
    return model.takeError();
  auto device = openDevice(one);
  if (!device)
    return device.takeError();
  auto executor = Executor::open(model->file, **device);
  if (!executor)
    return executor.takeError();
  if (Status status = prepareMeasurement(**executor, Measured::Update); !status)
    return status.takeError();
  MeasureOptions options;
  options.seconds = 0.3;
  auto launches = measureLaunches(**executor, Measured::Update, options);
  if (!launches)
    return launches.takeError();
  double sum = 0;
  for (const LaunchTime &launch : launches->launches) {
    std::string_view label = launch.launch->label()->string_view(); // "contract layer"
    if (label.substr(label.find(' ') + 1) == "layer")
      sum += launch.milliseconds;
  }
  return sum / (*executor)->threads();
}

} // namespace danaus::tool
