// The cache of compiled models: what makes two of them different, damaged files, warnings.
#include "runtime/plan/ModelCache.h"
#include "test/runtime/plan/TestModel.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

const Bytes Code(100, std::byte('c'));

class ModelCacheTest : public ::testing::Test {
protected:
  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder.file(name)) << text;
    return folder.file(name);
  }
  std::string key() {
    Expected<std::string> key = cacheKey(request, text, place);
    EXPECT_TRUE(key);
    return key ? *key : "";
  }

  TemporaryFolder folder;
  std::string text = "name: a";
  CompileRequest request = {folder.file("spec.yaml"), {"train.epochs=3"}, "cpu", 1, ""};
  CompilerPlace place = {{write("danausc", "1"), write("libLLVM.so", "1")}, "avx2", ""};
};

TEST_F(ModelCacheTest, EveryPartOfTheKeyCounts) {
  std::vector<std::string> keys = {key()};
  EXPECT_EQ(key(), keys[0]);
  auto add = [&] { keys.push_back(key()); };
  request.overrides = {"train.epochs=4"};
  add();
  request.overrides = {"train.epochs", "=4"};
  add();
  request.target = "cpu:avx2";
  add();
  request.ranks = 2;
  add();
  request.chosenRanks = write("ranks.json", "1");
  add();
  write("ranks.json", "2");
  add();
  request.spec = folder.file("other.yaml");
  add();
  place.isa = "avx512";
  add();
  place.nvrtc = "13.0";
  add();
  write("libLLVM.so", "two");
  add();
  place.files = {write("danausc.2", "1"), folder.file("libLLVM.so")}; // another inode
  add();
  text = "model: {kind: onnx, file: net.onnx}";
  add();
  write("net.onnx", "one");
  add();
  write("net.onnx.data", "weights");
  add();
  request.overrides = {"model.file=" + write("b.onnx", "b")};
  add();
  write("b.onnx", "bb");
  add();
  std::ranges::sort(keys);
  EXPECT_EQ(std::ranges::adjacent_find(keys), keys.end());
}

TEST_F(ModelCacheTest, ChosenRanksThatCannotBeReadAreAnError) {
  request.chosenRanks = folder.file("absent.json");
  Expected<std::string> key = cacheKey(request, text, place);
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().message().find("absent.json"), std::string::npos) << key.error().message();
}

TEST_F(ModelCacheTest, DamagedModelsAreNotFound) {
  ModelCache cache(folder.file("cache"));
  Bytes whole = makeContainer(makeModel(), Code);
  cache.keep(key(), whole, "");
  auto found = cache.find(key());
  ASSERT_TRUE(found);
  EXPECT_TRUE(std::ranges::equal(found->file.bytes(), whole));
  EXPECT_EQ(found->warnings, "");
  for (size_t i = 0; i < whole.size(); i += 7) {
    Bytes changed = whole;
    changed[i] ^= std::byte(0x40);
    writeBytes(cache.pathOf(key()), changed);
    EXPECT_FALSE(cache.find(key())) << "byte " << i;
    writeBytes(cache.pathOf(key()), Bytes(whole.begin(), whole.begin() + ptrdiff_t(i)));
    EXPECT_FALSE(cache.find(key())) << "length " << i;
  }
  cache.keep(key(), whole, "");
  EXPECT_TRUE(cache.find(key()));
}

TEST_F(ModelCacheTest, WarningsStandBesideTheModel) {
  ModelCache cache(folder.file("cache"));
  cache.keep(key(), makeContainer(makeModel(), Code), "spec.yaml:1:1: warning: slow\n");
  auto found = cache.find(key());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->warnings, "spec.yaml:1:1: warning: slow\n");
  EXPECT_FALSE(ModelCache("").find(key()));
}

} // namespace
