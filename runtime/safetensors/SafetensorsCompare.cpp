// What a file holds against what a model expects.
#include "runtime/safetensors/Safetensors.h"

#include <algorithm>

namespace danaus {

std::vector<TensorDifference> compareTensors(const SafetensorsFile &file,
                                             std::span<const TensorRef> expected) {
  std::map<std::string, const TensorInfo *> found;
  for (const TensorInfo &tensor : file.tensors())
    found[tensor.name] = &tensor;
  std::vector<TensorDifference> differences;
  for (const TensorRef &tensor : expected) {
    auto place = found.find(tensor.name);
    if (place == found.end()) {
      differences.push_back({TensorDifference::Missing, tensor.name, tensor.shape, {}});
      continue;
    }
    if (place->second->shape != tensor.shape)
      differences.push_back(
          {TensorDifference::ShapeMismatch, tensor.name, tensor.shape, place->second->shape});
    found.erase(place);
  }
  for (const auto &[name, tensor] : found)
    differences.push_back({TensorDifference::Unexpected, name, {}, tensor->shape});
  return differences;
}

std::string differenceTable(const std::vector<TensorDifference> &differences, size_t limit) {
  size_t shown = std::min(limit, differences.size()), width = 0;
  for (size_t index = 0; index < shown; ++index)
    width = std::max(width, differences[index].name.size());
  std::string table;
  for (size_t index = 0; index < shown; ++index) {
    const TensorDifference &difference = differences[index];
    table += "  " + difference.name + std::string(width - difference.name.size() + 2, ' ');
    if (difference.kind == TensorDifference::Missing)
      table += "missing; the model has " + shapeText(difference.expected);
    else if (difference.kind == TensorDifference::Unexpected)
      table += "not in the model; the file has " + shapeText(difference.found);
    else
      table += "the model has " + shapeText(difference.expected) + ", the file " +
               shapeText(difference.found);
    table += "\n";
  }
  if (shown < differences.size())
    table += "  and " + std::to_string(differences.size() - shown) + " more\n";
  return table;
}

Error doesNotFit(const std::string &origin, const std::vector<TensorDifference> &differences) {
  std::string table = differenceTable(differences);
  table.pop_back();
  return Error(ExitCode::CheckpointInvalid,
               "'" + origin + "' does not fit the model; " + std::to_string(differences.size()) +
                   (differences.size() == 1 ? " tensor differs:\n" : " tensors differ:\n") + table);
}

Status requireTensors(const SafetensorsFile &file, std::span<const TensorRef> expected) {
  std::vector<TensorDifference> differences = compareTensors(file, expected);
  return differences.empty() ? Status::ok() : Status(doesNotFit(file.path(), differences));
}

} // namespace danaus
