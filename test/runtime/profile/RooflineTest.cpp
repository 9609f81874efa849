// The machine's limit: measured, kept, and measured again where what was kept is no such thing.
#include "runtime/profile/Roofline.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "test/runtime/support/TempFolder.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

class RooflineTest : public testing::Test {
protected:
  std::string onlyFile() const {
    std::string found;
    for (const auto &entry : std::filesystem::directory_iterator(folder.path()))
      found = entry.path().string();
    return found;
  }

  test::TempFolder folder;
  std::unique_ptr<Device> device = std::move(*builtinDevices().create("cpu", {.threads = 1}));
};

} // namespace

TEST_F(RooflineTest, IsTheSlowerOfArithmeticAndTraffic) {
  Roofline roofline{100, 10, 1};
  EXPECT_EQ(roofline.seconds({200, 10}), 2);
  EXPECT_EQ(roofline.seconds({200, 40}), 4);
}

TEST_F(RooflineTest, TakesEachUnitByWhatItDoes) {
  Roofline roofline{100, 10, 1, 1200};
  EXPECT_EQ(roofline.seconds({2400, 0, 2400}), 2) << "16-bit operands on the matrix unit";
  EXPECT_EQ(roofline.seconds({2700, 0, 2400}), 3) << "300 on vectors, beside it";
  EXPECT_EQ(roofline.seconds({2400, 0, 2400, 6}), 12) << "float32, six products each";
  EXPECT_EQ(roofline.seconds({2400, 0, 2400, 24}), 24) << "never less than vectors do";
  EXPECT_EQ(roofline.matrixRate(1), 1200);
  EXPECT_EQ(roofline.matrixRate(6), 200);
  EXPECT_EQ(roofline.matrixRate(24), 100);
}

TEST_F(RooflineTest, IsMeasuredOnceAndKept) {
  Roofline first = knownRoofline(*device, folder.path());
  EXPECT_GT(first.flops, 1e8);
  EXPECT_GT(first.bytesPerSecond, 1e7);
  EXPECT_EQ(first.threads, 1u);
  ASSERT_FALSE(onlyFile().empty());
  EXPECT_GT(first.cacheBytesPerSecond, 1e7);
  EXPECT_EQ(first.matrixFlops > first.flops, bool(checkIsa("amx"))) << first.matrixFlops;
  ASSERT_TRUE(bool(writeFileAtomically(onlyFile(), R"({"flops": 3e9, "matrix_flops": 5e9,
      "bytes_per_second": 2e9, "cache_bytes_per_second": 4e9})")));
  Roofline second = knownRoofline(*device, folder.path());
  EXPECT_EQ(second.flops, 3e9);
  EXPECT_EQ(second.matrixFlops, 5e9);
  EXPECT_EQ(second.bytesPerSecond, 2e9);
  EXPECT_EQ(second.cacheBytesPerSecond, 4e9);
}

TEST_F(RooflineTest, WhatIsNoneIsMeasuredAgain) {
  (void)knownRoofline(*device, folder.path());
  for (
      const char *text :
      {"", "{", "[]", R"({"flops": "fast"})", R"({"flops": -1, "bytes_per_second": 0})",
       R"({"flops": 1, "matrix_flops": 0, "bytes_per_second": 2e9, "cache_bytes_per_second": 3e9})",
       // as it was before there were other types than float32
       R"({"flops": 3e7, "bytes_per_second": 2e9})"}) {
    ASSERT_TRUE(bool(writeFileAtomically(onlyFile(), text)));
    EXPECT_GT(knownRoofline(*device, folder.path()).flops, 1e8) << text;
  }
  EXPECT_GT(knownRoofline(*device, "").flops, 1e8) << "without a folder";
}
