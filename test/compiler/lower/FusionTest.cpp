// --emit=fusion against the passes: what it says was saved is what a compilation without fusing
// moves more, and every kernel that reads another's results has a reason to be apart from it.
#include "compiler/Fusion.h"
#include "compiler/FusionNames.h"
#include "compiler/Passes.h"
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/SourceMgr.h"

#include <gtest/gtest.h>

using namespace danaus;
using namespace mlir;

namespace {

struct Case {
  const char *spec; ///< in models/
  std::vector<std::string> overrides;
  Target target;
};

void PrintTo(const Case &test, std::ostream *os) { *os << test.spec << " for " << test.target.isa; }

class FusionTest : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    context.disableMultithreading();
    std::string path = std::string(DANAUS_MODELS) + "/" + GetParam().spec;
    auto spec = spec::readSpecFile(path, sources, GetParam().overrides, &context);
    ASSERT_TRUE(succeeded(spec));
    imported = importModel(*spec, &context);
    ASSERT_TRUE(imported);
  }

  Fusion describe() {
    OwningOpRef<ModuleOp> module = imported->clone();
    auto fusion = planAndDescribeFusion(*module, GetParam().target, untimed);
    return succeeded(fusion) ? *fusion : Fusion();
  }

  MLIRContext context;
  llvm::SourceMgr sources;
  OwningOpRef<ModuleOp> imported;
  TimingScope untimed;
};

int64_t bytes(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * type.getElementTypeBitWidth() / 8;
}

Value memoryOf(Value value) {
  while (isa_and_nonnull<nn::ReshapeOp, nn::AfterOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Bytes that the kernels of a step read and write, each value of other kernels once.
int64_t trafficOf(func::FuncOp step) {
  int64_t sum = 0;
  for (Operation &op : step.front()) {
    if (!isa<kernel::KernelDialect>(op.getDialect()))
      continue;
    llvm::DenseSet<Value> read;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Value memory = memoryOf(operand);
        if (memory.getParentBlock() == &step.front() && read.insert(memory).second)
          sum += bytes(memory);
      }
    });
    for (Value result : op.getResults())
      sum += bytes(result);
  }
  return sum;
}

/// What attention saves has no kernels to compare with: scores and probabilities.
int64_t attentionSaves(func::FuncOp step) {
  int64_t sum = 0;
  auto scores = [](auto op) {
    return op.getBatch() * int64_t(op.getHeads()) * op.getTokens() * op.getTokens() * 4;
  };
  // Two matrices, each written and read; on the way back their gradients too.
  step.walk([&](kernel::AttentionOp op) { sum += 2 * 2 * scores(op); });
  step.walk([&](kernel::AttentionBackwardOp op) { sum += 2 * 2 * 2 * scores(op); });
  return sum;
}

/// A sum of gradients that moved into a product's epilogue when kernels were formed: its term is
/// not written and read.
int64_t accumulatingSaves(func::FuncOp step) {
  int64_t sum = 0;
  for (auto contract : step.getOps<kernel::ContractOp>())
    if (!contract.getExtras().empty())
      sum += 2 * bytes(contract.getResult(0));
  return sum;
}

} // namespace

TEST_P(FusionTest, BytesSavedAreTheTrafficOfAnUnfusedCompilation) {
  const Target &target = GetParam().target;
  OwningOpRef<ModuleOp> fused = imported->clone(), unfused = imported->clone();
  ASSERT_TRUE(succeeded(runPhases(*fused, Stage::Fused, target, untimed)));
  ASSERT_TRUE(succeeded(runPhases(*unfused, Stage::Gradient, target, untimed)));
  // As Pipelines.cpp, without the passes that fuse.
  PassManager passes(&context);
  bool onGpu = target.device == "cuda", stored = onGpu || target.isa == "amx";
  passes.addNestedPass<func::FuncOp>(createNNFormKernels({stored, onGpu, onGpu}));
  ASSERT_TRUE(succeeded(passes.run(*unfused)));
  Fusion fusion = describe();
  ASSERT_FALSE(fusion.empty());
  for (const FusionStep &step : fusion) {
    auto before = unfused->lookupSymbol<func::FuncOp>(step.name);
    auto after = fused->lookupSymbol<func::FuncOp>(step.name);
    ASSERT_TRUE(before && after);
    int64_t saved = 0, inRows = 0;
    for (const FusionKernel &kernel : step.kernels)
      saved += kernel.bytesSaved;
    for (const FusionRow &row : rowsOf(step))
      inRows += row.bytesSaved;
    if (step.name != "update_step")
      EXPECT_GT(saved, 0) << step.name;
    EXPECT_EQ(saved, inRows);
    EXPECT_EQ(saved, trafficOf(before) - trafficOf(after) + attentionSaves(before) +
                         accumulatingSaves(before))
        << step.name;
  }
}

TEST_P(FusionTest, EveryNeighbourHasAReason) {
  for (const FusionStep &step : describe()) {
    for (size_t i = 0; i < step.kernels.size(); ++i) {
      const FusionKernel &kernel = step.kernels[i];
      EXPECT_FALSE(kernel.name.empty()) << step.name << ", kernel " << i;
      EXPECT_FALSE(kernel.covers.empty()) << kernel.name;
      for (const FusionNeighbour &neighbour : kernel.neighbours) {
        EXPECT_LT(neighbour.from, i) << kernel.name;
        EXPECT_NE(neighbour.reason, "") << kernel.name << " (" << kernel.layers.front() << ") and "
                                        << step.kernels[neighbour.from].name;
        EXPECT_EQ(neighbour.reason.find("that one ") != std::string::npos,
                  neighbour.reason.starts_with("that one "));
        EXPECT_EQ(neighbour.reason.find("another kernel too"), std::string::npos);
      }
    }
  }
}

static const std::vector<std::string> small = {"train.batch_size=4"};
static const Target cpuTarget{"cpu", "avx2"}, amx{"cpu", "amx"}, sm80{"cuda", "sm_80"};

INSTANTIATE_TEST_SUITE_P(
    Models, FusionTest,
    testing::Values(
        Case{"mnist_mlp.yaml", {}, cpuTarget}, Case{"mnist_mlp_low_rank.yaml", {}, cpuTarget},
        Case{"mnist_mlp_monarch.yaml", {"train.clip_grad_norm=1"}, cpuTarget},
        Case{"mnist_mlp_monarch.yaml", {}, sm80},
        Case{"mnist_mlp_low_rank.yaml", {"train.accumulate=4"}, cpuTarget},
        Case{"fashion_vit_tiny.yaml", {"train.batch_size=4", "train.accumulate=2"}, sm80},

        Case{"fashion_vit_tiny.yaml", {"train.batch_size=4", "train.ema=0.9"}, cpuTarget},
        Case{"fashion_vit_tiny_monarch.yaml",
             {"train.batch_size=4", "train.recompute=true"},
             cpuTarget},
        Case{"fashion_vit_tiny_monarch.yaml", {"train.batch_size=4", "train.dtype=bf16"}, amx},
        Case{"fashion_vit_tiny_monarch.yaml", {"train.batch_size=4", "train.dtype=fp16"}, sm80},
        Case{"vit_s16_monarch.yaml", small, cpuTarget}, Case{"vit_s16_monarch.yaml", small, sm80},
        Case{"mixer_s16.yaml", small, cpuTarget}, Case{"mixer_b16.yaml", small, sm80},
        Case{"vit_b16.yaml", {"train.batch_size=8"}, sm80},
        Case{"mixer_s16_monarch.yaml", {"train.batch_size=4", "train.dtype=bf16"}, sm80}));

TEST(FusionNamesTest, NumbersFold) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(foldNumbers({"blocks.0.q", "blocks.1.q", "blocks.2.q", "head"}),
            (Names{"blocks.0..2.q", "head"}));
  EXPECT_EQ(foldNumbers({"contract_1", "contract_2", "contract_5"}), Names{"contract_1..2,5"});
  EXPECT_EQ(foldNumbers({"x16", "fc1", "x16"}), (Names{"x16", "fc1"}));
  EXPECT_EQ(foldNames({"blocks.0.q", "blocks.0.k", "blocks.1.q", "blocks.1.k", "head"}),
            "blocks.0..1.{q, k}, head");
  EXPECT_EQ(foldNames({}), "");
}

TEST(FusionNamesTest, StretchesFold) {
  EXPECT_EQ(foldRepeats({"a", "b", "a", "b", "c"}), "(a, b) x2, c");
  EXPECT_EQ(foldRepeats({"a", "a", "a"}), "a x3");
  EXPECT_EQ(foldRepeats({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(foldRepeats({}), "");
}

TEST(FusionSvgTest, NamesAreEscaped) {
  FusionStep step;
  step.name = "train_step";
  FusionKernel kernel;
  kernel.name = "chain_0";
  kernel.covers = {"contract"};
  kernel.layers = {"a<b&c"};
  step.kernels.push_back(kernel);
  std::string svg = fusionAsSvg({step}, "\"<x>");
  EXPECT_NE(svg.find(">a&lt;b&amp;c</text>"), std::string::npos);
  EXPECT_NE(svg.find("&quot;&lt;x&gt;</text>"), std::string::npos);
  EXPECT_EQ(svg.find("a<b"), std::string::npos);
}
