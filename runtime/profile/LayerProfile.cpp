// See LayerProfile.h.
#include "runtime/profile/LayerProfile.h"

#include <map>

namespace danaus {

std::vector<std::string> layersOfLabel(const std::string &label) {
  size_t space = label.find(' ');
  std::string kind = label.substr(0, space);
  if (space == std::string::npos || kind == "update") // "update 8 parameters"
    return {kind};
  std::vector<std::string> names;
  for (size_t at = space + 1; at < label.size();) {
    size_t end = std::min(label.find(", ", at), label.size());
    names.push_back(label.substr(at, end - at));
    at = end + 2;
  }
  return names;
}

std::vector<LayerProfile> profileLayers(const StepProfile &profile, const fb::Phase &phase) {
  std::map<std::string, const fb::Layer *> table;
  for (const fb::Layer *layer : *phase.layers())
    table[layer->name()->str()] = layer;
  std::vector<LayerProfile> layers;
  std::map<std::string, size_t> known;
  for (const LaunchTime &launch : profile.launches) {
    std::vector<std::string> names = layersOfLabel(launch.launch->label()->str());
    std::vector<double> weights;
    double sum = 0;
    for (const std::string &name : names) {
      auto found = table.find(name);
      weights.push_back(found == table.end() ? 0 : double(found->second->macs()));
      sum += weights.back();
    }
    for (size_t i = 0; i < names.size(); ++i) {
      auto [at, isNew] = known.try_emplace(names[i], layers.size());
      if (isNew) {
        auto found = table.find(names[i]);
        layers.push_back({names[i], found == table.end() ? nullptr : found->second});
      }
      LayerProfile &layer = layers[at->second];
      layer.milliseconds +=
          launch.milliseconds * (sum > 0 ? weights[i] / sum : 1 / double(names.size()));
      layer.isEstimated |= names.size() > 1;
    }
  }
  return layers;
}

} // namespace danaus
