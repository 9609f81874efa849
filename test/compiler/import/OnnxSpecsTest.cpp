// Specs whose layers are in an ONNX file: what arrives, what is printed, and what does not go
// together. The file itself is looked at by the importer (test/compiler/onnx).
#include "ReadText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

Spec read(const std::string &text, llvm::StringRef file = "good.yaml") {
  ReadResult result = readText(text, {}, file);
  EXPECT_EQ(result.messages, "");
  return mlir::succeeded(result.spec) ? *result.spec : Spec{};
}

TEST(OnnxSpecs, GoodOnes) {
  Spec spec = read("name: m\nmodel: {kind: onnx, file: sub/net.onnx}\ndata: {name: mnist}\n",
                   "/specs/good.yaml");
  EXPECT_EQ(spec.modelKind, ModelKind::Onnx);
  EXPECT_EQ(spec.onnxFile.value, "/specs/sub/net.onnx");
  EXPECT_EQ(spec.train.init.value, "/specs/sub/net.onnx");
  Spec again = read(spec.resolved);
  EXPECT_EQ(again.resolved, spec.resolved);
  EXPECT_NE(spec.resolved.find("model: {kind: onnx, file: /specs/sub/net.onnx}"), std::string::npos)
      << spec.resolved;
  spec = read("name: m\nmodel: {kind: onnx, file: net.onnx}\ndata: {name: mnist}\n"
              "train: {init: /w.safetensors}\n");
  EXPECT_EQ(spec.train.init.value, "/w.safetensors");
}

/// A spec of layers is printed as it was before there were others.
TEST(OnnxSpecs, LayersNeedNoKind) {
  std::string tail = "input: {shape: [4]}, layers: [relu]}\ndata: {name: mnist}\n";
  Spec spec = read("name: m\nmodel: {kind: layers, " + tail);
  EXPECT_NE(spec.resolved.find("model: {input: {shape: [4]}, layers: [relu]}"), std::string::npos);
  EXPECT_EQ(read("name: m\nmodel: {" + tail).resolved, spec.resolved);
}

const MessageCase cases[] = {
    {"FileMissing", 0, "name: m\nmodel: {kind: onnx}\ndata: {name: mnist}\n",
     R"~(bad.yaml:2:8: error: model: missing key 'file' (needed with kind: onnx): a path
model: {kind: onnx}
       ^
)~"},
    {"LayersToo", 0,
     "name: m\nmodel: {kind: onnx, file: m.onnx, layers: [relu]}\ndata: {name: mnist}\n",
     R"~(bad.yaml:2:35: error: model: 'layers' goes only with kind: layers
model: {kind: onnx, file: m.onnx, layers: [relu]}
                                  ^
)~"},
    {"FileWithoutKind", 0,
     "name: m\nmodel: {file: m.onnx, input: {shape: [4]}, layers: [relu]}\ndata: {name: mnist}\n",
     R"~(bad.yaml:2:9: error: model: 'file' goes only with kind: onnx
model: {file: m.onnx, input: {shape: [4]}, layers: [relu]}
        ^
)~"},
    {"AnotherEnding", 0, "name: m\nmodel: {kind: onnx, file: m.pb}\ndata: {name: mnist}\n",
     R"~(bad.yaml:2:27: error: model.file: the name of an ONNX file ends in .onnx
model: {kind: onnx, file: m.pb}
                          ^
)~"},
    {"Rules", 0,
     "name: m\nmodel: {kind: onnx, file: m.onnx}\nstructure: [{match: '*', kind: dense}]\ndata: "
     "{name: mnist}\n",
     R"~(bad.yaml:3:13: error: the linears of an ONNX model have the structure that its file gives them; leave the rules out (`danaus convert` brings its weights into a spec of layers)
structure: [{match: '*', kind: dense}]
            ^
)~"},
};

class OnnxMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(OnnxMessages, Exactly) {
  EXPECT_EQ(readText(GetParam().spec()).messages, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Specs, OnnxMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace danaus::spec
