// Our models written as ONNX files and read back: the same structures, and the same logits.
#include "OnnxTesting.h"

#include "compiler/Layers.h"

namespace danaus::test {
namespace {

struct Case {
  const char *name, *model; ///< what stands under `model:`
  const char *structure = "[]";
  int64_t exportBatch = 0; ///< 0: open
  /// A weight (in, out), as only steps written by hand have it, comes back as (out, in).
  bool keepsLayouts = true;
};

std::ostream &operator<<(std::ostream &stream, const Case &each) { return stream << each.name; }

std::string specOf(const Case &each) {
  return std::string("name: m\nmodel:\n") + each.model + "structure: " + each.structure +
         "\ndata: {name: mnist}\ntrain: {batch_size: 6}\n";
}

/// Every linear's structure and sizes, and the names of what is no linear, in order.
std::vector<std::string> structuresOf(const spec::Spec &spec, mlir::MLIRContext &context) {
  auto module = importModel(spec, &context);
  mlir::TimingScope untimed;
  EXPECT_TRUE(succeeded(runPhases(*module, Stage::Structure, {}, untimed)));
  std::vector<std::string> result;
  for (const LayerRow &row : collectLayers(module->lookupSymbol<mlir::func::FuncOp>("forward")))
    if (row.isLinear() || row.structure.starts_with("attention"))
      result.push_back(row.structure + " " + std::to_string(row.in) + " -> " +
                       std::to_string(row.out) + " " + std::to_string(row.params));
  return result;
}

/// Values in all parameters, also where training begins with zeros or ones.
void fill(Executor &executor) {
  std::mt19937 random(7);
  for (size_t i = 0; i < executor.parameterCount(); ++i) {
    bool isVector = executor.parameterInfo(i).shape()->size() < 2;
    for (float &value : executor.parameter(i))
      value = float(random() / 4294967296.0 - 0.5) * (isVector ? 1.0f : 0.8f);
  }
}

Expected<onnx::Graph> exported(RunningModel &running, const SafetensorsFile &weights,
                               onnx::Batch batch) {
  mlir::OwningOpRef<mlir::ModuleOp> module = running.model.imported->clone();
  mlir::TimingScope untimed;
  EXPECT_TRUE(succeeded(runPhases(*module, Stage::Structure, {}, untimed)));
  return onnx::exportForward(*module, weights, batch);
}

class RoundTrip : public ::testing::TestWithParam<Case> {};

TEST_P(RoundTrip, SameStructureAndLogits) {
  const Case &each = GetParam();
  RunningModel ours(specOf(each));
  fill(ours.executor());
  TempFolder folder;
  ASSERT_TRUE(
      succeeds(writeSafetensors(folder / "ours.safetensors", parameterTensors(ours.executor()))));
  auto weights = SafetensorsFile::open(folder / "ours.safetensors");
  ASSERT_TRUE(succeeds(weights));
  bool isOpen = each.exportBatch == 0;
  auto graph = exported(ours, *weights, isOpen ? onnx::Batch::Open : onnx::Batch::Fixed);
  ASSERT_TRUE(succeeds(graph));
  ASSERT_TRUE(succeeds(onnx::writeGraph(*graph, folder / "m.onnx")));
  ASSERT_TRUE(succeeds(onnx::writeWeights(folder / "m.onnx", folder / "theirs.safetensors")));
  // The initializers keep their names and layouts.
  auto theirs = SafetensorsFile::open(folder / "theirs.safetensors");
  ASSERT_TRUE(succeeds(theirs));
  EXPECT_EQ(bool(requireTensors(*theirs, parameterTensors(ours.executor()))), each.keepsLayouts);

  std::mt19937 random(3);
  std::vector<float> images(ours.executor().input().size());
  for (float &pixel : images)
    pixel = float(random() / 2147483648.0 - 1);
  std::vector<float> wanted = ours.logits(images);
  // An open batch has another size there.
  RunningModel back(onnxSpec(folder / "m.onnx", isOpen ? 4 : 6));
  EXPECT_EQ(structuresOf(back.model.spec, back.model.context),
            structuresOf(ours.model.spec, ours.model.context));
  back.readWeights(folder / "theirs.safetensors");
  double error = relativeError(back.logits(images), wanted);
  EXPECT_LE(error, 1e-5);
  RecordProperty("relative_error", std::to_string(error * 1e9) + "e-9");
}

constexpr char mlp[] = R"~(  input: {shape: [5, 6]}
  layers:
    - flatten
    - linear: {name: input, out: 22, activation: relu}
    - linear: {name: hidden, out: 27, activation: gelu}
    - linear: {name: wide, out: 18, activation: gelu_tanh, bias: false}
    - dropout: 0.5
    - linear: {name: output, out: 4}
)~";
constexpr char vit[] = R"~(  input: {shape: [2, 8, 12]}
  layers:
    - patch_embed: {patch: 4, dim: 16}
    - class_token
    - position_embedding
    - repeat: 2
      name: blocks
      layers:
        - residual: [layer_norm, {attention: {name: attn, heads: 4, dropout: 0.1}}, {drop_path: 0.1}]
        - residual: [layer_norm, {mlp: {name: mlp, hidden: 30, activation: gelu}}]
    - layer_norm
    - select_token: 0
    - linear: {name: head, out: 5}
)~";
constexpr char mixer[] = R"~(  input: {shape: [1, 8, 8]}
  layers:
    - patch_embed: {patch: 4, dim: 12}
    - residual: [layer_norm, {mlp: {name: token_mlp, hidden: 10, over: tokens}}]
    - residual: [layer_norm, {mlp: {name: channel_mlp, hidden: 20, activation: gelu_tanh}}]
    - layer_norm
    - mean_tokens
    - linear: {name: head, out: 5}
)~";
constexpr char written[] = R"~(  input: {shape: [12]}
  layers:
    - ops:
        inputs: [x]
        parameters: {w: [3, 4, 5], b: [15]}
        steps:
          - "a = reshape(x, 6, 4, 3)"
          - "p = transpose(a, 2, 0, 1)"
          - "y = batch_matmul(p, w)"
          - "z = reshape(transpose(y, 1, 2, 0), 6, 15) + b"
        output: z
    - linear: {out: 4}
)~";

INSTANTIATE_TEST_SUITE_P(
    Models, RoundTrip,
    ::testing::Values(
        Case{"dense", mlp}, Case{"dense_fixed_batch", mlp, "[]", 6},
        Case{"low_rank", mlp, "[{match: '*', kind: low_rank, rank: 2}]"},
        Case{"monarch_padded", mlp, "[{match: '*', kind: monarch, nblocks: 4}]"},
        Case{"block_diagonal_padded", mlp, "[{match: '*', kind: block_diagonal, nblocks: 4}]"},
        Case{"vit", vit},
        Case{"vit_monarch", vit, "[{match: 'blocks.*', kind: monarch, nblocks: 4}]"},
        Case{"vit_low_rank", vit, "[{match: '*.mlp.*', kind: low_rank, rank: 3}]"},
        Case{"vit_fixed_batch", vit, "[]", 6}, Case{"mixer", mixer},
        Case{"mixer_monarch", mixer, "[{match: '*_mlp.*', kind: monarch, nblocks: 4}]"},
        Case{"ops_that_are_no_linear", written, "[]", 0, false}),
    [](const auto &info) { return info.param.name; });

TEST(Export, WeightsThatDoNotFit) {
  RunningModel model(specOf({"dense", mlp}));
  TempFolder folder;
  std::vector<float> data(8);
  std::vector<TensorRef> tensors{{"input.weight", {2, 4}, data.data()}};
  ASSERT_TRUE(succeeds(writeSafetensors(folder / "w.safetensors", tensors)));
  auto weights = SafetensorsFile::open(folder / "w.safetensors");
  ASSERT_TRUE(succeeds(weights));
  EXPECT_TRUE(failsWith(exported(model, *weights, onnx::Batch::Open), ExitCode::CheckpointInvalid,
                        "hidden.bias"));
}

} // namespace
} // namespace danaus::test
