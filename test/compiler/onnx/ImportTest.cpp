// Graphs that are whole but not models of ours: what the importer says, and the forms of operators
// that PyTorch's files of the other tests do not have.
#include "OnnxTesting.h"

namespace danaus::onnx {
namespace {

/// A graph from x (batch, 6) to y, built node by node.
struct Builder {
  Graph graph{"g", 17, {{"x", {{0, "batch"}, {6, ""}}}}, {{"y", {}}}, {}, {}};

  Builder &floats(const std::string &name, std::vector<int64_t> shape) {
    std::vector<float> data(size_t(llvm::product_of(shape)));
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = float(i % 7) * 0.25f - 0.5f;
    graph.initializers.push_back({name, std::move(shape), std::move(data)});
    return *this;
  }
  Builder &number(const std::string &name, float value) {
    graph.initializers.push_back({name, {}, std::vector<float>{value}});
    return *this;
  }
  Builder &integers(const std::string &name, std::vector<int64_t> values) {
    graph.initializers.push_back({name, {int64_t(values.size())}, std::move(values)});
    return *this;
  }
  Builder &node(const std::string &op, std::vector<std::string> inputs, const std::string &output,
                std::vector<Attribute> attributes = {}) {
    graph.nodes.push_back({output + "_node", op, "", std::move(inputs), {output}, attributes});
    return *this;
  }
  Builder &input(std::vector<Dimension> shape) {
    graph.inputs[0].shape = std::move(shape);
    return *this;
  }
  /// y = h w for the last value h (batch, 6).
  Builder &end(const std::string &h) { return floats("w", {6, 3}).node("MatMul", {h, "w"}, "y"); }

  std::string message(int64_t batch = 4) const {
    test::TempFolder folder;
    EXPECT_TRUE(test::succeeds(writeGraph(graph, folder / "m.onnx")));
    return test::importMessage(folder / "m.onnx", batch);
  }
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(OnnxImport, Interface) {
  EXPECT_EQ(Builder().end("x").message(), "");
  Builder two;
  two.graph.inputs.push_back({"z", {{4, ""}}});
  EXPECT_SAYS(two.end("x").message(), "m.onnx: the graph has 2 inputs and 1 outputs");
  EXPECT_SAYS(Builder().input({{0, "b"}}).end("x").message(), "'x' has 1 dimensions; it needs");
  EXPECT_SAYS(Builder().input({{0, "b"}, {0, "length"}}).end("x").message(),
              "a dimension of unknown size (length); only the first, the batch, may be open");
  EXPECT_SAYS(Builder().input({{5, ""}, {6, ""}}).end("x").message(),
              "the graph is for batches of 5, but the spec trains with 4; export it with an open "
              "batch dimension, or set train.batch_size to 5");
  EXPECT_EQ(Builder().input({{4, ""}, {6, ""}}).end("x").message(), "");
  EXPECT_SAYS(Builder().node("Relu", {"x"}, "y").message(), "the model has no parameters");
  EXPECT_SAYS(Builder()
                  .integers("s", {-1, 2, 3})
                  .node("MatMul", {"x", "w"}, "h")
                  .floats("w", {6, 6})
                  .node("Reshape", {"h", "s"}, "y")
                  .message(),
              "the model ends with shape 4x2x3");
}

TEST(OnnxImport, UnknownOperators) {
  EXPECT_SAYS(Builder().node("Sin", {"x"}, "h").end("h").message(),
              "m.onnx: node 'h_node' (Sin): this operator is not supported; supported: Add, Cast,");
  Builder other;
  other.node("Relu", {"x"}, "h").end("h").graph.nodes[0].domain = "com.example";
  EXPECT_SAYS(other.message(), "this operator of domain 'com.example' is not supported");
  EXPECT_SAYS(Builder().node("Relu", {"x", "x"}, "h").end("h").message(), "has 2 inputs");
  EXPECT_SAYS(Builder().node("Relu", {""}, "h").end("h").message(), "input 0 is missing");
}

TEST(OnnxImport, ProductsThatDoNotFit) {
  EXPECT_SAYS(Builder().floats("v", {5, 6}).node("MatMul", {"x", "v"}, "h").end("h").message(),
              "node 'h_node' (MatMul): a product of 4x6 and 5x6 is not supported, or does not fit");
  EXPECT_SAYS(Builder()
                  .floats("v", {6, 6})
                  .floats("c", {5})
                  .node("Gemm", {"x", "v", "c"}, "h")
                  .end("h")
                  .message(),
              "(Gemm): a sum of 4x6 and 5 is not supported");
  EXPECT_SAYS(Builder()
                  .floats("v", {6, 6})
                  .node("Gemm", {"x", "v"}, "h", {{"alpha", 2.0f}})
                  .end("h")
                  .message(),
              "alpha and beta other than 1");
  Builder einsum;
  einsum.floats("v", {6, 6});
  auto equation = [&](const char *text) {
    Builder copy = einsum;
    return copy.node("Einsum", {"x", "v"}, "h", {{"equation", std::string(text)}})
        .end("h")
        .message();
  };
  EXPECT_EQ(equation("ab, bc -> ac"), "");
  EXPECT_EQ(equation("ab,cb->ac"), "");
  EXPECT_SAYS(equation("ab,bc->a"), "the equation 'ab,bc->a' is not supported");
  EXPECT_SAYS(equation("ab,bc->ac..."), "is not supported");
  EXPECT_SAYS(equation("abc,cd->abd"), "is not for 4x6 and 6x6");
  EXPECT_SAYS(equation("ab,ac->bc"), "'a' has two sizes in 4x6 and 6x6");
}

TEST(OnnxImport, ShapesThatDoNotFit) {
  auto reshape = [&](std::vector<int64_t> shape) {
    return Builder()
        .integers("s", std::move(shape))
        .node("Reshape", {"x", "s"}, "r")
        .integers("t", {-1, 6})
        .node("Reshape", {"r", "t"}, "h")
        .end("h")
        .message();
  };
  EXPECT_EQ(reshape({0, 2, -1}), "");
  EXPECT_SAYS(reshape({1, 6}), "a tensor of shape 4x6 cannot have the shape (1x6) that the node "
                               "names; was the model exported for one fixed batch?");
  EXPECT_SAYS(reshape({-1, -1}), "cannot have the shape");
  EXPECT_SAYS(reshape({-1, 7}), "cannot have the shape");
  EXPECT_SAYS(reshape({INT64_MAX, INT64_MAX}), "cannot have the shape");
  EXPECT_SAYS(Builder()
                  .node("Transpose", {"x"}, "h", {{"perm", std::vector<int64_t>{0, 0}}})
                  .end("h")
                  .message(),
              "perm (0x0) does not permute the 2 dimensions of 4x6");
  EXPECT_SAYS(
      Builder().integers("p", {0, -1, 0, 0}).node("Pad", {"x", "p"}, "h").end("h").message(),
      "paddings of -1 and 0 are not supported");
  EXPECT_SAYS(Builder()
                  .integers("a", {3})
                  .integers("b", {3})
                  .node("Slice", {"x", "a", "b"}, "h")
                  .end("h")
                  .message(),
              "nothing is left of axis 0 of 4x6");
}

TEST(OnnxImport, ArithmeticIsOnlyForGelu) {
  EXPECT_SAYS(Builder().number("c", 3).node("Mul", {"x", "c"}, "h").end("h").message(),
              "node 'y_node' (MatMul): 'h' is element-wise arithmetic that is no GELU");
  EXPECT_SAYS(Builder().node("Tanh", {"x"}, "h").end("h").message(),
              "(Tanh): is supported as a part of GELU only, and this is not its argument");
  EXPECT_SAYS(Builder().floats("v", {4, 6}).node("Mul", {"x", "v"}, "h").end("h").message(),
              "(Mul): this arithmetic is not supported");
  EXPECT_SAYS(Builder().node("Softmax", {"x"}, "h").end("h").message(),
              "(Softmax): is supported inside attention only");
  EXPECT_SAYS(Builder().integers("c", {3}).node("Relu", {"c"}, "h").end("x").message(),
              "'c' holds integers, not floats");
}

/// A factor that is nearly GELU's is not GELU; any order of its parts is.
TEST(OnnxImport, GeluInAnyOrder) {
  auto gelu = [&](float half) {
    return Builder()
        .number("r", 0.70710678f)
        .number("half", half)
        .number("one", 1)
        .node("Mul", {"r", "x"}, "a")
        .node("Erf", {"a"}, "b")
        .node("Add", {"one", "b"}, "c")
        .node("Mul", {"half", "c"}, "d")
        .node("Mul", {"d", "x"}, "h")
        .end("h")
        .message();
  };
  EXPECT_EQ(gelu(0.5f), "");
  EXPECT_SAYS(gelu(0.51f), "'h' is element-wise arithmetic that is no GELU");
}

TEST(OnnxImport, Attention) {
  auto attention = [&](float scale) {
    return Builder()
        .input({{0, "b"}, {3, ""}, {4, ""}})
        .number("s", scale)
        .floats("v", {4, 4})
        .node("MatMul", {"x", "v"}, "q")
        .node("Transpose", {"x"}, "k", {{"perm", std::vector<int64_t>{0, 2, 1}}})
        .node("MatMul", {"q", "k"}, "m")
        .node("Mul", {"m", "s"}, "n")
        .node("Softmax", {"n"}, "p")
        .node("MatMul", {"p", "x"}, "o")
        .node("Flatten", {"o"}, "f")
        .floats("w", {12, 3})
        .node("MatMul", {"f", "w"}, "y")
        .message();
  };
  EXPECT_EQ(attention(0.5f), "");
  EXPECT_SAYS(attention(0.25f), "(MatMul): attention needs scores divided by sqrt(4)");
}

/// What a file could do to make the importer work for ever, or to use what is not there.
TEST(OnnxImport, FilesThatMeanIll) {
  Builder doubling, adding;
  doubling.integers("i0", {1, 2});
  adding.floats("w0", {6});
  for (int i = 0; i < 64; ++i) {
    std::string at = std::to_string(i), next = std::to_string(i + 1);
    doubling.node("Concat", {"i" + at, "i" + at}, "i" + next, {{"axis", int64_t(0)}});
    adding.node("Add", {"w" + at, "w" + at}, "w" + next);
  }
  EXPECT_SAYS(doubling.end("x").message(), "(Concat): 'i15' holds integers, not floats");
  EXPECT_EQ(adding.node("Add", {"x", "w64"}, "h").end("h").message(), "");
  Builder mask;
  mask.node("Dropout", {"x"}, "h").end("h").graph.nodes[0].outputs.push_back("mask");
  EXPECT_EQ(mask.message(), "");
  mask.graph.outputs[0].name = "mask";
  EXPECT_SAYS(mask.message(), "its output 'mask' is used, but only the first is supported");
  Builder square = Builder().input({{0, "b"}, {3, ""}, {6, ""}});
  square.node("Transpose", {"x"}, "t", {{"perm", std::vector<int64_t>{0, 2, 1}}})
      .node("MatMul", {"x", "t"}, "m")
      .node("Shape", {"m"}, "s")
      .end("x");
  EXPECT_SAYS(square.message(), "(Shape): the shape of a part of attention");
  EXPECT_SAYS(Builder()
                  .integers("s", std::vector<int64_t>(17, 1))
                  .node("Reshape", {"x", "s"}, "h")
                  .end("h")
                  .message(),
              "cannot have the shape");
  Builder many;
  for (int i = 0; i < 20'001; ++i)
    many.node("Identity", {"x"}, "n" + std::to_string(i));
  EXPECT_SAYS(many.end("x").message(), "the graph has 20002 nodes, more than 20000");
}

TEST(OnnxImport, Convolutions) {
  auto conv = [&](std::vector<int64_t> strides, std::vector<int64_t> pads) {
    return Builder()
        .input({{0, "b"}, {1, ""}, {4, ""}, {4, ""}})
        .floats("k", {6, 1, 4, 4})
        .node("Conv", {"x", "k"}, "c", {{"strides", strides}, {"pads", pads}})
        .node("Flatten", {"c"}, "h")
        .end("h")
        .message();
  };
  EXPECT_EQ(conv({4, 4}, {0, 0, 0, 0}), "");
  EXPECT_SAYS(conv({1, 1}, {0, 0, 0, 0}), "only convolutions that cut an image into patches");
  EXPECT_SAYS(conv({4, 4}, {1, 1, 1, 1}), "only convolutions that cut an image into patches");
}

TEST(OnnxImport, Norms) {
  auto norm = [&](int64_t axis, std::vector<int64_t> size, bool hasBias) {
    Builder builder;
    builder.floats("g", size).floats("b", size);
    std::vector<std::string> inputs{"x", "g"};
    if (hasBias)
      inputs.push_back("b");
    return builder.node("LayerNormalization", inputs, "h", {{"axis", axis}}).end("h").message();
  };
  EXPECT_EQ(norm(-1, {6}, true), "");
  EXPECT_SAYS(norm(0, {6}, true), "only norms over the last dimension");
  EXPECT_SAYS(norm(-1, {5}, true), "scale and bias must have the size of the last dimension, 6");
  EXPECT_SAYS(norm(-1, {6}, false), "norms without a bias are not supported");
}

TEST(OnnxImport, NamesOfParameters) {
  Builder builder;
  builder.floats("a b/c", {6, 6}).floats("a_b_c", {6, 6}).floats("onnx::MatMul_7", {6, 6});
  builder.node("MatMul", {"x", "a b/c"}, "p").node("MatMul", {"p", "a_b_c"}, "q");
  builder.node("MatMul", {"q", "onnx::MatMul_7"}, "h").end("h");
  builder.graph.nodes[2].name = "/list/list.0/MatMul";
  test::TempFolder folder;
  ASSERT_TRUE(test::succeeds(writeGraph(builder.graph, folder / "m.onnx")));
  ASSERT_TRUE(test::succeeds(writeWeights(folder / "m.onnx", folder / "w.safetensors")));
  auto file = SafetensorsFile::open(folder / "w.safetensors");
  ASSERT_TRUE(test::succeeds(file));
  std::vector<std::string> names;
  for (const TensorInfo &tensor : file->tensors())
    names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a_b_c", "a_b_c_2", "list.0.weight", "w"}));
  EXPECT_EQ(file->find("w")->shape, (std::vector<uint64_t>{3, 6})); // (out, in)
}

} // namespace
} // namespace danaus::onnx
