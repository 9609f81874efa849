// From the bytes of an .onnx file to a Graph. Nothing in the file is trusted: every size is checked
// against the data that are there before anything of that size is made.
#include "compiler/onnx/Graph.h"

#include "compiler/onnx/onnx.pb.h"
#include "runtime/base/File.h"

#include <climits>
#include <cstring>
#include <filesystem>
#include <set>

namespace danaus::onnx {

namespace {

/// Numbers of TensorProto.DataType.
enum DataType { Float = 1, Int32 = 6, Int64 = 7, Bool = 9, Double = 11 };
constexpr int64_t mostElements = int64_t(1) << 31;

std::string typeName(int type) {
  static const char *const names[] = {"undefined",  "float32", "uint8",  "int8",   "uint16",
                                      "int16",      "int32",   "int64",  "string", "bool",
                                      "float16",    "float64", "uint32", "uint64", "complex64",
                                      "complex128", "bfloat16"};
  return type >= 0 && type < int(std::size(names)) ? names[type] : "number " + std::to_string(type);
}

size_t bytesOf(int type) { return type == Bool ? 1 : type == Int64 || type == Double ? 8 : 4; }

/// Copies `count` little-endian elements of type From.
template <typename From, typename To>
std::vector<To> converted(std::string_view bytes, size_t count) {
  std::vector<To> result(count);
  for (size_t i = 0; i < count; ++i) {
    From element;
    std::memcpy(&element, bytes.data() + i * sizeof(From), sizeof(From));
    result[i] = To(element);
  }
  return result;
}

class Reader {
public:
  explicit Reader(const std::string &path) : path(path) {}
  Expected<Graph> read(std::string_view bytes);

private:
  Error broken(const std::string &what) const {
    return Error(ExitCode::CheckpointInvalid, "'" + path + "': " + what);
  }
  Expected<Tensor> tensor(const file::TensorProto &from, const std::string &what);
  Expected<std::string> externalBytes(const file::TensorProto &from, const std::string &what,
                                      uint64_t wanted);
  Status fill(const file::TensorProto &from, const std::string &what, size_t count, Tensor &into);
  Expected<Node> node(const file::NodeProto &from, size_t index);
  Expected<Attribute> attribute(const file::AttributeProto &from, const std::string &what);
  Expected<Port> port(const file::ValueInfoProto &from);
  Status readParts(const file::GraphProto &from, Graph &graph);
  Status checkNames(const Graph &graph) const;

  const std::string &path;
};

Expected<std::string> Reader::externalBytes(const file::TensorProto &from, const std::string &what,
                                            uint64_t wanted) {
  std::string location;
  uint64_t offset = 0, length = wanted;
  for (const file::StringStringEntryProto &entry : from.external_data())
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset")
      offset = std::strtoull(entry.value().c_str(), nullptr, 10);
    else if (entry.key() == "length")
      length = std::strtoull(entry.value().c_str(), nullptr, 10);
  std::filesystem::path place(location);
  bool leaves = place.empty() || place.is_absolute();
  for (const std::filesystem::path &part : place)
    leaves |= part == "..";
  if (leaves)
    return broken(what + " is kept in '" + location + "': only files beside this one are read");
  std::string file = joinPath(parentFolder(path), location);
  Expected<FileDescriptor> opened = openForReading(file);
  if (!opened)
    return opened.takeError().during("reading " + what + " of '" + path + "'");
  Expected<uint64_t> size = fileSize(file);
  if (!size)
    return size.takeError();
  if (length != wanted || offset > *size || length > *size - offset)
    return broken(what + " needs " + std::to_string(wanted) + " bytes, but " +
                  std::to_string(length) + " at " + std::to_string(offset) + " of the " +
                  std::to_string(*size) + " bytes of '" + location + "' are named for it");
  std::string bytes(wanted, '\0');
  if (Status status = readExactly(opened->get(), bytes.data(), wanted, offset, file,
                                  ExitCode::CheckpointInvalid);
      !status)
    return status.takeError();
  return bytes;
}

/// From bytes of exactly this many elements.
void fillRaw(std::string_view raw, int type, size_t count, Tensor &into) {
  if (type == Float)
    into.data = converted<float, float>(raw, count);
  else if (type == Double)
    into.data = converted<double, float>(raw, count);
  else if (type == Int64)
    into.data = converted<int64_t, int64_t>(raw, count);
  else if (type == Int32)
    into.data = converted<int32_t, int64_t>(raw, count);
  else
    into.data = converted<uint8_t, int64_t>(raw, count);
}

/// From the lists that protobuf has for each type; how many values are there.
size_t fillListed(const file::TensorProto &from, Tensor &into) {
  auto copy = [&](const auto &list, auto element) {
    into.data = std::vector<decltype(element)>(list.begin(), list.end());
    return size_t(list.size());
  };
  switch (from.data_type()) {
  case Float:
    return copy(from.float_data(), float());
  case Double:
    return copy(from.double_data(), float());
  case Int64:
    return copy(from.int64_data(), int64_t());
  default:
    return copy(from.int32_data(), int64_t());
  }
}

/// The data of a tensor of `count` elements, wherever the file keeps them.
Status Reader::fill(const file::TensorProto &from, const std::string &what, size_t count,
                    Tensor &into) {
  int type = from.data_type();
  auto wrongSize = [&](size_t found, const char *unit) {
    return broken(what + " has " + std::to_string(count) + " elements of " + typeName(type) +
                  " by its shape, but " + std::to_string(found) + " " + unit + " are there");
  };
  if (from.data_location() == file::TensorProto::EXTERNAL) {
    auto bytes = externalBytes(from, what, count * bytesOf(type));
    if (!bytes)
      return bytes.takeError();
    fillRaw(*bytes, type, count, into);
  } else if (from.has_raw_data()) {
    if (from.raw_data().size() != count * bytesOf(type))
      return wrongSize(from.raw_data().size(), "bytes");
    fillRaw(from.raw_data(), type, count, into);
  } else if (size_t found = fillListed(from, into); found != count) {
    return wrongSize(found, "values");
  }
  return Status::ok();
}

Expected<Tensor> Reader::tensor(const file::TensorProto &from, const std::string &what) {
  int type = from.data_type();
  if (type != Float && type != Double && type != Int64 && type != Int32 && type != Bool)
    return broken(what + " is of type " + typeName(type) +
                  "; tensors of float32, float64, int32, int64 and bool are read");
  Tensor result{from.name(), {from.dims().begin(), from.dims().end()}, {}};
  int64_t count = 1;
  for (int64_t size : result.shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > mostElements)
      return broken(what + " has a size of " + std::to_string(size) +
                    ", or more than 2^31 elements");
  if (Status status = fill(from, what, size_t(count), result); !status)
    return status.takeError();
  return result;
}

Expected<Attribute> Reader::attribute(const file::AttributeProto &from, const std::string &what) {
  Attribute result{from.name(), {}};
  switch (from.type()) {
  case file::AttributeProto::FLOAT:
    result.value = from.f();
    return result;
  case file::AttributeProto::INT:
    result.value = from.i();
    return result;
  case file::AttributeProto::STRING:
    result.value = from.s();
    return result;
  case file::AttributeProto::INTS:
    result.value = std::vector<int64_t>(from.ints().begin(), from.ints().end());
    return result;
  case file::AttributeProto::FLOATS:
    result.value = std::vector<float>(from.floats().begin(), from.floats().end());
    return result;
  case file::AttributeProto::TENSOR: {
    auto value = tensor(from.t(), "attribute '" + from.name() + "' of " + what);
    if (!value)
      return value.takeError();
    result.value = std::move(*value);
    return result;
  }
  default: // no operator that we know takes another
    return broken("attribute '" + from.name() + "' of " + what +
                  " is of a type that is not read (a graph, or a list of texts or tensors)");
  }
}

Expected<Node> Reader::node(const file::NodeProto &from, size_t index) {
  Node result{from.name(),
              from.op_type(),
              from.domain(),
              {from.input().begin(), from.input().end()},
              {from.output().begin(), from.output().end()},
              {}};
  if (result.name.empty())
    result.name = "node " + std::to_string(index);
  for (const file::AttributeProto &each : from.attribute()) {
    auto value = attribute(each, "node '" + result.name + "' (" + result.op + ")");
    if (!value)
      return value.takeError();
    result.attributes.push_back(std::move(*value));
  }
  return result;
}

Expected<Port> Reader::port(const file::ValueInfoProto &from) {
  Port result{from.name(), {}};
  const file::TypeProto::Tensor &type = from.type().tensor_type();
  if (type.elem_type() != Float)
    return broken("'" + from.name() + "' is of type " + typeName(type.elem_type()) +
                  "; graphs whose input and output are float32 are read");
  for (const file::TensorShapeProto::Dimension &dim : type.shape().dim()) {
    if (dim.has_dim_value() && dim.dim_value() < 1)
      return broken("'" + from.name() + "' has a size of " + std::to_string(dim.dim_value()));
    result.shape.push_back({dim.dim_value(), dim.dim_param()});
  }
  return result;
}

Status Reader::readParts(const file::GraphProto &from, Graph &graph) {
  std::set<std::string> initializers;
  for (const file::TensorProto &each : from.initializer()) {
    auto value = tensor(each, "initializer '" + each.name() + "'");
    if (!value)
      return value.takeError();
    initializers.insert(each.name());
    graph.initializers.push_back(std::move(*value));
  }
  for (const file::ValueInfoProto &each : from.input()) {
    if (initializers.contains(each.name()))
      continue; // files before IR version 4 list them as inputs, too
    auto value = port(each);
    if (!value)
      return value.takeError();
    graph.inputs.push_back(std::move(*value));
  }
  for (const file::ValueInfoProto &each : from.output()) {
    auto value = port(each);
    if (!value)
      return value.takeError();
    graph.outputs.push_back(std::move(*value));
  }
  for (const file::NodeProto &each : from.node()) {
    auto value = node(each, graph.nodes.size());
    if (!value)
      return value.takeError();
    graph.nodes.push_back(std::move(*value));
  }
  return Status::ok();
}

/// Every name is defined once, and before it is used: so there is no cycle either.
Status Reader::checkNames(const Graph &graph) const {
  std::set<std::string> known;
  auto define = [&](const std::string &name) -> Status {
    if (!known.insert(name).second)
      return broken("'" + name + "' is defined twice");
    return Status::ok();
  };
  for (const Tensor &each : graph.initializers)
    if (Status status = define(each.name); !status)
      return status;
  for (const Port &each : graph.inputs)
    if (Status status = define(each.name); !status)
      return status;
  for (const Node &each : graph.nodes) {
    for (const std::string &name : each.inputs)
      if (!name.empty() && !known.contains(name))
        return broken("node '" + each.name + "' (" + each.op + ") takes '" + name +
                      "', which is no input, no initializer and no result of an earlier node: it "
                      "is missing, or the nodes are not sorted or run in a circle");
    for (const std::string &name : each.outputs)
      if (!name.empty())
        if (Status status = define(name); !status)
          return status;
  }
  for (const Port &each : graph.outputs)
    if (!known.contains(each.name))
      return broken("nothing gives the output '" + each.name + "'");
  return Status::ok();
}

Expected<Graph> Reader::read(std::string_view bytes) {
  file::ModelProto model;
  if (bytes.size() > INT_MAX || !model.ParseFromArray(bytes.data(), int(bytes.size())))
    return broken("this is no ONNX file, or not all of it: protobuf cannot read it");
  if (!model.has_graph())
    return broken("the file holds no graph");
  Graph graph;
  graph.name = model.graph().name();
  for (const file::OperatorSetIdProto &each : model.opset_import())
    if (each.domain().empty() || each.domain() == "ai.onnx")
      graph.opset = each.version();
  if (graph.opset < 9)
    return broken("the operators are of opset " + std::to_string(graph.opset) +
                  "; opset 9 and later are read (export it with opset 17)");
  if (Status status = readParts(model.graph(), graph); !status)
    return status.takeError();
  if (Status status = checkNames(graph); !status)
    return status.takeError();
  return graph;
}

} // namespace

Expected<Graph> parseGraph(std::string_view bytes, const std::string &path) {
  return Reader(path).read(bytes);
}

Expected<Graph> readGraph(const std::string &path) {
  Expected<std::string> bytes = readFile(path, INT_MAX, ExitCode::CheckpointInvalid);
  if (!bytes)
    return bytes.takeError();
  return parseGraph(*bytes, path);
}

} // namespace danaus::onnx
