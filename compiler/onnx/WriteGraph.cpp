// From a Graph to the bytes of an .onnx file.
#include "compiler/onnx/Graph.h"

#include "compiler/onnx/onnx.pb.h"
#include "runtime/base/AtomicFile.h"

#include <climits>

namespace danaus::onnx {

namespace {

constexpr int64_t irVersion = 8;
constexpr int floatType = 1, int64Type = 7; // TensorProto.DataType

void pack(const Tensor &from, file::TensorProto &into) {
  into.set_name(from.name);
  for (int64_t size : from.shape)
    into.add_dims(size);
  into.set_data_type(from.floats() ? floatType : int64Type);
  std::visit(
      [&](const auto &data) { into.set_raw_data(data.data(), data.size() * sizeof(data[0])); },
      from.data);
}

struct AttributePacker {
  file::AttributeProto &into;
  void operator()(int64_t value) const {
    into.set_type(file::AttributeProto::INT);
    into.set_i(value);
  }
  void operator()(float value) const {
    into.set_type(file::AttributeProto::FLOAT);
    into.set_f(value);
  }
  void operator()(const std::string &value) const {
    into.set_type(file::AttributeProto::STRING);
    into.set_s(value);
  }
  void operator()(const Tensor &value) const {
    into.set_type(file::AttributeProto::TENSOR);
    pack(value, *into.mutable_t());
  }
  void operator()(const std::vector<int64_t> &values) const {
    into.set_type(file::AttributeProto::INTS);
    for (int64_t value : values)
      into.add_ints(value);
  }
  void operator()(const std::vector<float> &values) const {
    into.set_type(file::AttributeProto::FLOATS);
    for (float value : values)
      into.add_floats(value);
  }
};

void pack(const Port &from, file::ValueInfoProto &into) {
  into.set_name(from.name);
  file::TypeProto::Tensor &type = *into.mutable_type()->mutable_tensor_type();
  type.set_elem_type(floatType);
  for (const Dimension &dim : from.shape) {
    file::TensorShapeProto::Dimension &size = *type.mutable_shape()->add_dim();
    if (dim.size)
      size.set_dim_value(dim.size);
    else
      size.set_dim_param(dim.symbol);
  }
}

void pack(const Node &from, file::NodeProto &into) {
  into.set_name(from.name);
  into.set_op_type(from.op);
  into.set_domain(from.domain);
  for (const std::string &name : from.inputs)
    into.add_input(name);
  for (const std::string &name : from.outputs)
    into.add_output(name);
  for (const Attribute &attribute : from.attributes) {
    file::AttributeProto &packed = *into.add_attribute();
    packed.set_name(attribute.name);
    std::visit(AttributePacker{packed}, attribute.value);
  }
}

} // namespace

Status writeGraph(const Graph &graph, const std::string &path) {
  file::ModelProto model;
  model.set_ir_version(irVersion);
  model.set_producer_name("danaus");
  file::OperatorSetIdProto &opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(graph.opset);
  file::GraphProto &packed = *model.mutable_graph();
  packed.set_name(graph.name);
  for (const Port &port : graph.inputs)
    pack(port, *packed.add_input());
  for (const Port &port : graph.outputs)
    pack(port, *packed.add_output());
  for (const Tensor &tensor : graph.initializers)
    pack(tensor, *packed.add_initializer());
  for (const Node &node : graph.nodes)
    pack(node, *packed.add_node());
  std::string bytes;
  if (model.ByteSizeLong() > INT_MAX || !model.SerializeToString(&bytes))
    return Error(ExitCode::IoError, "'" + path + "' would have " +
                                        std::to_string(model.ByteSizeLong()) +
                                        " bytes; protobuf writes at most 2 GiB");
  return writeFileAtomically(path, bytes);
}

} // namespace danaus::onnx
