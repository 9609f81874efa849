// The counts that a model's layer table must show, exact to the last parameter.
#include "ReadText.h"

#include "compiler/Layers.h"
#include "compiler/import/ImportModel.h"

#include <gtest/gtest.h>

namespace danaus {
namespace {

struct Golden {
  const char *file;
  int64_t params, macs, denseParams, denseMacs;
};

const Golden goldens[] = {
    {"models/mnist_mlp.yaml", 167'818, 167'168, 167'818, 167'168},
    {"models/mnist_mlp_low_rank.yaml", 118'666, 118'016, 167'818, 167'168},
    {"models/mnist_mlp_monarch.yaml", 135'050, 134'400, 167'818, 167'168},
    {"models/mnist_mlp_large.yaml", 2'508'298, 2'503'680, 2'508'298, 2'503'680},
    {"models/mnist_mlp_large_low_rank.yaml", 935'434, 930'816, 2'508'298, 2'503'680},
    {"models/vit_s16.yaml", 48'754'408, 9'888'884'736, 48'754'408, 9'888'884'736},
    {"models/vit_s16_monarch.yaml", 20'442'856, 4'311'508'992, 48'754'408, 9'888'884'736},
    {"models/vit_b16.yaml", 86'567'656, 17'563'828'224, 86'567'656, 17'563'828'224},
    {"models/vit_b16_monarch.yaml", 33'483'496, 7'106'248'704, 86'567'656, 17'563'828'224},
    {"models/mixer_b16.yaml", 59'880'472, 12'601'767'936, 59'880'472, 12'601'767'936},
    {"models/mixer_b16_monarch.yaml", 20'952'088, 4'971'804'672, 59'880'472, 12'601'767'936},
    {"models/mixer_s16.yaml", 18'528'264, 3'776'958'464, 18'528'264, 3'776'958'464},
    {"models/mixer_s16_monarch.yaml", 6'993'928, 1'516'228'608, 18'528'264, 3'776'958'464},
    {"models/cifar10_vit_s4_monarch.yaml", 19'027'210, 1'281'117'696, 47'338'762, 3'121'368'576},
    {"models/fashion_vit_tiny.yaml", 205'066, 11'161'216, 205'066, 11'161'216},
    {"models/fashion_vit_tiny_monarch.yaml", 82'186, 5'017'216, 205'066, 11'161'216},
};

class LayerTable : public testing::Test {
protected:
  /// Reads and imports `text`; the table is in `rows` and `totals`.
  void collect(const std::string &text) {
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "m.yaml"), {});
    mlir::FailureOr<spec::Spec> spec = spec::readSpec(sources, {}, &context);
    ASSERT_TRUE(succeeded(spec));
    module = importModel(*spec, &context);
    ASSERT_TRUE(bool(module));
    auto forward = module->lookupSymbol<mlir::func::FuncOp>("forward");
    rows = collectLayers(forward);
    totals = collectTotals(forward, rows);
  }

  void expectSumsAreTotals() const {
    int64_t params = 0, macs = 0;
    for (const LayerRow &row : rows) {
      params += row.params;
      macs += row.macs;
    }
    EXPECT_EQ(params, totals.params);
    EXPECT_EQ(macs, totals.macs);
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  llvm::SourceMgr sources;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<LayerRow> rows;
  ModelTotals totals;
};

class GoldenTotals : public LayerTable, public testing::WithParamInterface<Golden> {};

TEST_P(GoldenTotals, AreExact) {
  collect(spec::fileText(GetParam().file));
  EXPECT_EQ(totals.params, GetParam().params);
  EXPECT_EQ(totals.macs, GetParam().macs);
  EXPECT_EQ(totals.denseParams, GetParam().denseParams);
  EXPECT_EQ(totals.denseMacs, GetParam().denseMacs);
  expectSumsAreTotals();
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTotals, testing::ValuesIn(goldens));

TEST_F(LayerTable, RowsSayWhatALayerIsAndWhereItStands) {
  collect(spec::fileText("models/mnist_mlp_monarch.yaml"));
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].name, "input");
  EXPECT_EQ(rows[0].structure, "dense");
  const LayerRow &hidden = rows[2];
  EXPECT_EQ(hidden.name, "hidden.1");
  EXPECT_EQ(hidden.structure, "monarch N=4");
  EXPECT_EQ(hidden.in, 128);
  EXPECT_EQ(hidden.out, 128);
  EXPECT_EQ(hidden.params, 2 * 4 * 32 * 32 + 128);
  EXPECT_EQ(hidden.macs, 2 * 4 * 32 * 32);
  EXPECT_EQ(hidden.denseParams, 128 * 128 + 128);
  EXPECT_EQ(hidden.denseMacs, 128 * 128);
  EXPECT_EQ(hidden.line, rows[1].line); // one line of the spec makes all four
  EXPECT_GT(rows[5].line, hidden.line);
}

TEST_F(LayerTable, ALayerWithoutBiasAndOverRowsCountsEachSample) {
  collect("name: m\nmodel:\n  input: {shape: [4, 6]}\n  layers:\n"
          "    - linear: {out: 8, bias: false}\n    - flatten\n    - linear: {out: 10}\n"
          "data: {name: mnist}\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].params, 6 * 8);
  EXPECT_EQ(rows[0].denseParams, 6 * 8);
  EXPECT_EQ(rows[0].macs, 4 * 6 * 8); // four rows in a sample
  EXPECT_EQ(rows[0].denseMacs, 4 * 6 * 8);
  EXPECT_EQ(totals.params, 6 * 8 + 32 * 10 + 10);
}

TEST_F(LayerTable, LayersThatAreNoLinearsHaveRowsToo) {
  collect("name: m\nmodel:\n  input: {shape: [1, 8, 8]}\n  layers:\n"
          "    - patch_embed: {patch: 4, dim: 6}\n    - class_token\n    - position_embedding\n"
          "    - layer_norm\n    - attention: {name: attn, heads: 2}\n    - mean_tokens\n"
          "    - linear: {out: 10}\ndata: {name: mnist}\n");
  auto row = [&](const std::string &name) {
    for (const LayerRow &each : rows)
      if (each.name == name)
        return each;
    return LayerRow{};
  };
  ASSERT_EQ(rows.size(), 10u);
  EXPECT_EQ(row("patch_embed").params, 16 * 6 + 6);
  EXPECT_EQ(row("patch_embed").macs, 4 * 16 * 6); // four patches
  EXPECT_EQ(row("class_token").structure, "class_token");
  EXPECT_EQ(row("class_token").params, 6);
  EXPECT_EQ(row("position_embedding").structure, "position_embedding");
  EXPECT_EQ(row("position_embedding").params, 5 * 6);
  EXPECT_EQ(row("position_embedding").line, 7u);
  EXPECT_EQ(row("layer_norm").structure, "layer_norm");
  EXPECT_EQ(row("layer_norm").params, 2 * 6);
  EXPECT_EQ(row("layer_norm").macs, 0);
  EXPECT_FALSE(row("layer_norm").isLinear());
  EXPECT_EQ(row("attn").structure, "attention heads=2");
  EXPECT_EQ(row("attn").in, 6);
  EXPECT_EQ(row("attn").out, 6);
  EXPECT_EQ(row("attn").params, 0);
  EXPECT_EQ(row("attn").macs, 2 * 5 * 5 * 6);
  EXPECT_FALSE(row("attn").isLinear());
  EXPECT_TRUE(row("attn.proj").isLinear());
  EXPECT_EQ(totals.denseParams, totals.params);
  EXPECT_EQ(totals.denseMacs, totals.macs);
  expectSumsAreTotals();
}

TEST_F(LayerTable, AnOpsBlockThatIsNoLinearIsOneRow) {
  collect("name: m\nmodel:\n  input: {shape: [6]}\n  layers:\n"
          "    - ops: {name: written, inputs: [x], parameters: {W: [6, 8], V: [8, 10], b: [10]}, "
          "steps: [\"h = matmul(x, W)\", \"y = matmul(h, V)\", \"z = y + b\"], "
          "output: z}\ndata: {name: mnist}\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "written");
  EXPECT_EQ(rows[0].structure, "matmul");
  EXPECT_EQ(rows[0].in, 6);
  EXPECT_EQ(rows[0].out, 10);
  EXPECT_EQ(totals.params, 6 * 8 + 8 * 10 + 10);
  EXPECT_EQ(totals.macs, 6 * 8 + 8 * 10);
  EXPECT_EQ(totals.denseMacs, totals.macs);
  expectSumsAreTotals();
}

TEST_F(LayerTable, ASharedParameterCountsOnce) {
  collect("name: m\nmodel:\n  input: {shape: [8]}\n  layers:\n"
          "    - ops: {inputs: [x], parameters: {W: [8, 8]}, "
          "steps: [\"h = matmul(x, W)\", \"z = matmul(h, transpose(W))\"], "
          "output: z}\n    - linear: {out: 10}\ndata: {name: mnist}\n");
  EXPECT_EQ(totals.params, 8 * 8 + 8 * 10 + 10);
  expectSumsAreTotals();
}

} // namespace
} // namespace danaus
