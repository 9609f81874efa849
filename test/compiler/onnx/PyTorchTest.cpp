// Networks that PyTorch exported compute the logits that PyTorch computed (make_models.py).
#include "OnnxTesting.h"

namespace danaus::test {
namespace {

std::vector<float> tensorOf(const SafetensorsFile &file, const std::string &name) {
  std::vector<float> data(file.find(name)->elements);
  EXPECT_TRUE(succeeds(file.readFloats(name, data.data(), data.size())));
  return data;
}

class PyTorch : public ::testing::TestWithParam<std::tuple<const char *, const char *>> {};

TEST_P(PyTorch, SameLogits) {
  auto [name, exporter] = GetParam();
  std::string folder = std::string(DANAUS_SOURCE_DIR) + "/test/compiler/onnx/Inputs/";
  std::string onnxFile = folder + name + "_" + exporter + ".onnx";
  auto expected = SafetensorsFile::open(folder + name + ".safetensors");
  ASSERT_TRUE(succeeds(expected));
  std::vector<float> images = tensorOf(*expected, "images"), logits = tensorOf(*expected, "logits");

  TempFolder scratch;
  ASSERT_TRUE(succeeds(onnx::writeWeights(onnxFile, scratch / "w.safetensors")));
  RunningModel model(onnxSpec(onnxFile, 3)); // the files leave the batch open
  model.readWeights(scratch / "w.safetensors");
  double error = relativeError(model.logits(images), logits);
  EXPECT_LE(error, 2e-6);
  RecordProperty("relative_error", std::to_string(error * 1e9) + "e-9");
}

INSTANTIATE_TEST_SUITE_P(Files, PyTorch,
                         ::testing::Combine(::testing::Values("low_rank", "monarch", "transformer"),
                                            ::testing::Values("torchscript", "dynamo")));

} // namespace
} // namespace danaus::test
