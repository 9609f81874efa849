// Values from the command line: what they change, and that mistakes are shown at their place there.
#include "ReadText.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

constexpr char good[] = R"(name: m
model:
  input: {shape: [4]}
  layers:
    - linear: {out: 2}
    - relu
structure:
  - {match: "*", kind: low_rank, rank: 2}
data: {name: mnist}
train: {loss: cross_entropy}
)";

std::string messages(std::vector<std::string> overrides) {
  return readText(good, std::move(overrides)).messages;
}

TEST(Overrides, ChangeValuesOfEveryKind) {
  ReadResult result = readText(good, {"train.epochs=3", "structure.0.rank=0.5",
                                      "model.layers.0.linear.out=7", "model.layers.1.relu.name=act",
                                      "train.loss.cross_entropy.label_smoothing=0.1", "log.every=5",
                                      "optimizer={type: sgd, momentum: 0.9}",
                                      "model.input.shape=[2, 3]", "name=\"12\"", "train.epochs=4"});
  EXPECT_EQ(result.messages, "");
  ASSERT_TRUE(mlir::succeeded(result.spec));
  const Spec &spec = *result.spec;
  EXPECT_EQ(spec.train.epochs.value, 4) << "the last one wins";
  EXPECT_EQ(spec.structure[0].rankRatio->value, 0.5);
  EXPECT_EQ(spec.layers[0].out.value, 7);
  EXPECT_EQ(spec.layers[1].name.value, "act");
  EXPECT_EQ(spec.train.labelSmoothing, 0.1);
  EXPECT_EQ(spec.logEvery, 5);
  EXPECT_EQ(spec.optimizer.momentum.value, 0.9);
  EXPECT_EQ(spec.inputShape.value, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(spec.name.value, "12");
}

TEST(Overrides, PlacesAreOnTheCommandLine) {
  ReadResult result = readText(good, {"log.every=1", "model.layers.0.linear.out=7"});
  ASSERT_TRUE(mlir::succeeded(result.spec));
  const Mark &mark = result.spec->layers[0].out.mark;
  EXPECT_TRUE(mark.onCommandLine);
  EXPECT_EQ(mark.line, 2u);
  EXPECT_EQ(mark.column, 27u);
  mlir::MLIRContext context;
  EXPECT_EQ(locationOf(*result.spec, mark, &context),
            mlir::Location(mlir::FileLineColLoc::get(&context, "command line", 2, 27)));
  EXPECT_EQ(locationOf(*result.spec, result.spec->layers[1].mark, &context),
            mlir::Location(mlir::FileLineColLoc::get(&context, "bad.yaml", 6, 7)));
  EXPECT_EQ(locationOf(*result.spec, {}, &context),
            mlir::Location(mlir::UnknownLoc::get(&context)));
}

TEST(Overrides, AnInitialFileIsFoundFromTheWorkingFolder) {
  llvm::SmallString<256> here;
  ASSERT_FALSE(llvm::sys::fs::current_path(here));
  ReadResult result = readText(good, {"train.init=a/../w.safetensors"}, "/else/where/spec.yaml");
  ASSERT_TRUE(mlir::succeeded(result.spec));
  EXPECT_EQ(result.spec->train.init.value, (here + "/w.safetensors").str());
}

TEST(Overrides, UnknownKey) {
  EXPECT_EQ(messages({"train.epoch=3"}),
            R"(command line:1:7: error: train: unknown key 'epoch'; did you mean 'epochs'?
train.epoch=3
      ^
)");
}

TEST(Overrides, WrongValue) {
  EXPECT_EQ(
      messages({"log.every=1", "train.epochs=many"}),
      R"(command line:2:14: error: train.epochs: expected an integer from 1 to 1000000, found 'many'
train.epochs=many
             ^
)");
}

TEST(Overrides, KeyThatDoesNotGoWithTheFile) {
  EXPECT_EQ(messages({"structure.0.kind=dense"}),
            R"(bad.yaml:8:34: error: structure.0: 'rank' goes only with kind: low_rank
  - {match: "*", kind: low_rank, rank: 2}
                                 ^
)");
}

TEST(Overrides, EntryThatIsNotThere) {
  EXPECT_EQ(
      messages({"structure.1.rank=3"}),
      R"(command line:1:11: error: structure is a list: '1' is not the number of one of its entries (0 to 0)
structure.1.rank=3
          ^
)");
  EXPECT_NE(messages({"model.layers.first=3"}).find("'first' is not the number"),
            std::string::npos);
  EXPECT_NE(messages({"structure=[]", "structure.0.rank=3"}).find("(it is empty)"),
            std::string::npos);
}

TEST(Overrides, ValuesHaveNoKeys) {
  EXPECT_EQ(messages({"name.x=3"}), R"(command line:1:6: error: name has no keys: it is 'm'
name.x=3
     ^
)");
  EXPECT_NE(messages({"model.layers.1.linear.out=3"}).find("has no keys: it is 'relu'"),
            std::string::npos);
}

TEST(Overrides, Form) {
  const char *form = R"(command line:1:1: error: expected path.to.key=value, as in train.epochs=3
epochs
^
)";
  EXPECT_EQ(messages({"epochs"}), form);
  EXPECT_NE(messages({"=3"}).find("1:1: error: expected path.to.key=value"), std::string::npos);
  EXPECT_NE(messages({"a..b=3"}).find("1:3: error: a key is missing here"), std::string::npos);
  EXPECT_NE(messages({"train.=3"}).find("1:6: error: a key is missing here"), std::string::npos);
  EXPECT_NE(messages({"seed="}).find("1:6: error: a value is missing after the '='"),
            std::string::npos);
  EXPECT_NE(messages({"seed=1\nname: x"}).find("1:1: error: an override is one line"),
            std::string::npos);
  EXPECT_NE(messages({"name=\xff"}).find("1:6: error: byte 0xff is not UTF-8"), std::string::npos);
  EXPECT_NE(messages({"seed=\"3"}).find("never closed"), std::string::npos);
}

} // namespace
} // namespace danaus::spec
