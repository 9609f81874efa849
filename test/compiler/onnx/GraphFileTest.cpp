// ONNX files that are not whole, or not what they seem: an error that says so, and never a crash.
#include "OnnxTesting.h"

#include "compiler/onnx/onnx.pb.h"
#include "test/runtime/support/Damage.h"

namespace danaus::onnx {
namespace {

using test::failsWith;
using test::succeeds;
using test::TempFolder;

const std::string inputs = std::string(DANAUS_SOURCE_DIR) + "/test/compiler/onnx/Inputs/";

/// x (batch, 2) through Relu to y, and an initializer w of four floats.
file::ModelProto smallModel() {
  file::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  file::GraphProto &graph = *model.mutable_graph();
  for (file::ValueInfoProto *port : {graph.add_input(), graph.add_output()}) {
    auto &type = *port->mutable_type()->mutable_tensor_type();
    type.set_elem_type(1);
    type.mutable_shape()->add_dim()->set_dim_param("batch");
    type.mutable_shape()->add_dim()->set_dim_value(2);
  }
  graph.mutable_input(0)->set_name("x");
  graph.mutable_output(0)->set_name("y");
  file::NodeProto &node = *graph.add_node();
  node.set_op_type("Relu");
  node.set_name("act");
  node.add_input("x");
  node.add_output("y");
  file::TensorProto &tensor = *graph.add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(1);
  tensor.add_dims(2);
  tensor.add_dims(2);
  for (int i = 0; i < 4; ++i)
    tensor.add_float_data(float(i));
  return model;
}

Expected<Graph> parsed(const file::ModelProto &model, const std::string &path = "m.onnx") {
  return parseGraph(model.SerializeAsString(), path);
}

#define EXPECT_BROKEN(model, part)                                                                 \
  EXPECT_TRUE(failsWith(parsed(model), ExitCode::CheckpointInvalid, part))

TEST(GraphFile, GoodOnes) {
  auto graph = parsed(smallModel());
  ASSERT_TRUE(succeeds(graph));
  EXPECT_EQ(graph->initializers[0].floats()->at(3), 3);
  EXPECT_EQ(graph->inputs[0].shape[0].symbol, "batch");
  EXPECT_EQ(graph->inputs[0].shape[1].size, 2);
  TempFolder folder;
  ASSERT_TRUE(succeeds(writeGraph(*graph, folder / "m.onnx")));
  auto again = readGraph(folder / "m.onnx");
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(*again->initializers[0].floats(), *graph->initializers[0].floats());
  EXPECT_EQ(again->nodes[0].op, "Relu");
}

TEST(GraphFile, NotONNX) {
  EXPECT_TRUE(failsWith(readGraph(inputs + "absent.onnx"), ExitCode::IoError, "absent.onnx"));
  EXPECT_TRUE(failsWith(parseGraph("name: mlp\n", "m.onnx"), ExitCode::CheckpointInvalid,
                        "'m.onnx': this is no ONNX file, or not all of it"));
  EXPECT_TRUE(failsWith(parseGraph("", "m.onnx"), ExitCode::CheckpointInvalid, "holds no graph"));
  file::ModelProto old = smallModel();
  old.mutable_opset_import(0)->set_version(6);
  EXPECT_BROKEN(old, "opset 6; opset 9 and later are read");
}

TEST(GraphFile, Sizes) {
  file::ModelProto model = smallModel();
  file::TensorProto &tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.set_dims(1, 3);
  EXPECT_BROKEN(model, "initializer 'w' has 6 elements of float32 by its shape, but 4 values");
  tensor.set_dims(1, -1);
  EXPECT_BROKEN(model, "has a size of -1");
  tensor.set_dims(0, int64_t(1) << 40);
  tensor.set_dims(1, int64_t(1) << 40);
  EXPECT_BROKEN(model, "more than 2^31 elements");
  tensor.set_dims(0, 1);
  tensor.set_dims(1, 1);
  tensor.set_raw_data("abc");
  EXPECT_BROKEN(model, "has 1 elements of float32 by its shape, but 3 bytes are there");
  tensor.set_data_type(10);
  EXPECT_BROKEN(model, "initializer 'w' is of type float16");
  model = smallModel();
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(10);
  EXPECT_BROKEN(model, "'x' is of type float16");
}

TEST(GraphFile, Names) {
  file::ModelProto model = smallModel();
  model.mutable_graph()->mutable_node(0)->set_input(0, "z");
  EXPECT_BROKEN(model, "node 'act' (Relu) takes 'z', which is no input, no initializer");
  model.mutable_graph()->mutable_node(0)->set_input(0, "y"); // a circle
  EXPECT_BROKEN(model, "node 'act' (Relu) takes 'y', which is no input");
  model = smallModel();
  model.mutable_graph()->mutable_node(0)->set_output(0, "x");
  EXPECT_BROKEN(model, "'x' is defined twice");
  model = smallModel();
  model.mutable_graph()->mutable_output(0)->set_name("logits");
  EXPECT_BROKEN(model, "nothing gives the output 'logits'");
  model = smallModel();
  auto &attribute = *model.mutable_graph()->mutable_node(0)->add_attribute();
  attribute.set_name("body");
  attribute.set_type(file::AttributeProto::GRAPH);
  EXPECT_BROKEN(model, "attribute 'body' of node 'act' (Relu) is of a type that is not read");
}

TEST(GraphFile, WeightsInAFileBesideIt) {
  TempFolder folder;
  file::ModelProto model = smallModel();
  file::TensorProto &tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.clear_float_data();
  tensor.set_data_location(file::TensorProto::EXTERNAL);
  auto set = [&](const char *key, const std::string &value) {
    for (file::StringStringEntryProto &entry : *tensor.mutable_external_data())
      if (entry.key() == key)
        return entry.set_value(value);
    file::StringStringEntryProto &entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  set("location", "m.data");
  set("offset", "4");
  float data[] = {9, 1, 2, 3, 4};
  test::writeText(folder / "m.data", {reinterpret_cast<const char *>(data), sizeof(data)});
  auto graph = parsed(model, folder / "m.onnx");
  ASSERT_TRUE(succeeds(graph));
  EXPECT_EQ(*graph->initializers[0].floats(), std::vector<float>(data + 1, data + 5));
  auto expect = [&](ExitCode code, const char *part) {
    EXPECT_TRUE(failsWith(parsed(model, folder / "m.onnx"), code, part));
  };
  set("offset", "8");
  expect(ExitCode::CheckpointInvalid, "needs 16 bytes, but 16 at 8 of the 20 bytes of 'm.data'");
  set("location", "absent.data");
  expect(ExitCode::IoError, "absent.data");
  for (const char *outside : {"../m.data", "/etc/passwd", ""}) {
    set("location", outside);
    expect(ExitCode::CheckpointInvalid, "only files beside this one are read");
  }
}

/// Whatever the bytes: a graph, which is imported or not, or an error.
TEST(GraphFile, Damaged) {
  TempFolder folder;
  std::string path = folder / "m.onnx";
  unsigned whole = 0, imported = 0, rounds = 0;
  for (const char *name : {"low_rank_dynamo.onnx", "monarch_torchscript.onnx",
                           "transformer_dynamo.onnx", "transformer_torchscript.onnx"})
    test::forEachDamage(test::readText(inputs + name), 400, [&](const std::string &bytes) {
      ++rounds;
      auto graph = parseGraph(bytes, path);
      if (!graph) {
        EXPECT_NE(graph.error().message(), "");
        return;
      }
      ++whole;
      test::writeText(path, bytes);
      imported += test::importMessage(path, 3).empty();
    });
  // The damage must reach the importer, and not all of it may pass.
  EXPECT_GT(whole, 100u);
  EXPECT_GT(imported, 10u);
  EXPECT_LT(imported, rounds / 2);
}

/// One node or constant of a good graph becomes something else.
void change(Graph &graph, std::mt19937 &random) {
  auto one = [&](auto &list) -> auto & { return list[random() % list.size()]; };
  auto number = [&] { return int64_t(random() % 12) - 3; };
  Node &node = one(graph.nodes);
  switch (random() % 6) {
  case 0:
    node.op = one(graph.nodes).op;
    break;
  case 1: // a value that is there already
    if (Node &other = graph.nodes[random() % (size_t(&node - graph.nodes.data()) + 1)];
        !node.inputs.empty() && !other.inputs.empty())
      one(node.inputs) = one(other.inputs);
    break;
  case 2:
    if (!node.inputs.empty())
      node.inputs.pop_back();
    break;
  case 3:
    node.inputs.push_back(one(graph.initializers).name);
    break;
  case 4:
    for (Attribute &attribute : node.attributes) {
      if (auto *value = std::get_if<int64_t>(&attribute.value))
        *value = number();
      if (auto *values = std::get_if<std::vector<int64_t>>(&attribute.value);
          values && !values->empty())
        one(*values) = number();
      if (auto *tensor = std::get_if<Tensor>(&attribute.value))
        if (auto *values = std::get_if<std::vector<int64_t>>(&tensor->data);
            values && !values->empty())
          one(*values) = number();
    }
    break;
  default:
    Tensor &tensor = one(graph.initializers);
    if (auto *values = std::get_if<std::vector<int64_t>>(&tensor.data); values && !values->empty())
      one(*values) = number();
    else if (!tensor.shape.empty()) // the same number of elements
      std::swap(one(tensor.shape), one(tensor.shape));
  }
}

/// Graphs that are whole and wrong: a model that passes the verifier and nn-recognise, or an error.
TEST(GraphFile, Changed) {
  TempFolder folder;
  std::string path = folder / "m.onnx";
  std::mt19937 random(11);
  unsigned imported = 0, rounds = 200;
  for (const char *name : {"monarch_torchscript.onnx", "transformer_dynamo.onnx",
                           "transformer_torchscript.onnx", "low_rank_torchscript.onnx"}) {
    auto good = readGraph(inputs + name);
    ASSERT_TRUE(succeeds(good));
    for (unsigned round = 0; round < rounds; ++round) {
      Graph graph = *good;
      for (unsigned changes = 1 + random() % 2; changes > 0; --changes)
        change(graph, random);
      ASSERT_TRUE(succeeds(writeGraph(graph, path)));
      imported += test::importMessage(path, 3).empty();
    }
  }
  EXPECT_GT(imported, 100u);
  EXPECT_LT(imported, 4 * rounds - 100);
}

} // namespace
} // namespace danaus::onnx
