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
  int64_t sum = 0;
  for (const LayerRow &row : rows)
    sum += row.params;
  EXPECT_EQ(sum, totals.params); // these models have no parameters outside linear layers
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

TEST_F(LayerTable, PrimitivesCountInTheTotalsOnly) {
  collect("name: m\nmodel:\n  input: {shape: [6]}\n  layers:\n"
          "    - ops: {inputs: [x], parameters: {W: [6, 10]}, steps: [\"z = matmul(x, W)\"], "
          "output: z}\ndata: {name: mnist}\n");
  EXPECT_TRUE(rows.empty());
  EXPECT_EQ(totals.params, 60);
  EXPECT_EQ(totals.macs, 60);
  EXPECT_EQ(totals.denseMacs, 60);
}

} // namespace
} // namespace danaus
