// An ONNX graph in memory, and its file: what is read is whole (sizes fit the data, every name that
// a node uses is defined before it), and no one else sees protobuf. Knows no dialect.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace danaus::onnx {

/// Floats or integers, by what the file holds; narrower types are widened, doubles narrowed.
struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::variant<std::vector<float>, std::vector<int64_t>> data;

  const std::vector<float> *floats() const { return std::get_if<std::vector<float>>(&data); }
  const std::vector<int64_t> *integers() const { return std::get_if<std::vector<int64_t>>(&data); }
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, Tensor, std::vector<int64_t>, std::vector<float>> value;
};

struct Node {
  std::string name, op, domain;
  std::vector<std::string> inputs, outputs; ///< an empty name: an optional one that is not there
  std::vector<Attribute> attributes;

  /// The attribute's value; null where there is none of this name and type.
  template <typename T> const T *find(std::string_view wanted) const {
    for (const Attribute &attribute : attributes)
      if (attribute.name == wanted)
        return std::get_if<T>(&attribute.value);
    return nullptr;
  }
  int64_t integer(std::string_view wanted, int64_t otherwise) const {
    const int64_t *found = find<int64_t>(wanted);
    return found ? *found : otherwise;
  }
};

/// A size, or a name where it is known only when the graph runs.
struct Dimension {
  int64_t size = 0;   ///< 0: not known
  std::string symbol; ///< may be empty then, too
};

/// An input or output of the graph, a tensor of floats.
struct Port {
  std::string name;
  std::vector<Dimension> shape;
};

struct Graph {
  std::string name;
  int64_t opset = 0;
  std::vector<Port> inputs, outputs; ///< initializers are no inputs
  std::vector<Tensor> initializers;
  std::vector<Node> nodes; ///< each behind those whose results it takes
};

/// Reads a file, and the files with weights that it names. CheckpointInvalid says what is broken.
Expected<Graph> readGraph(const std::string &path);
/// The same from the file's bytes; `path` is for messages, and weights are looked for beside it.
Expected<Graph> parseGraph(std::string_view bytes, const std::string &path);

/// Writes the file atomically, IR version 8.
Status writeGraph(const Graph &graph, const std::string &path);

} // namespace danaus::onnx
