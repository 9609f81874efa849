// Which code runs on which processor, and the words for it when it does not.
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/device/Checks.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

HasFeature processorWith(std::vector<std::string_view> features) {
  return [features](std::string_view feature) {
    return std::find(features.begin(), features.end(), feature) != features.end();
  };
}

TEST(CheckIsa, AcceptsWhatTheProcessorHas) {
  EXPECT_TRUE(checkIsa("baseline", processorWith({"sse2"})));
  EXPECT_TRUE(checkIsa("avx2", processorWith({"avx2", "fma"})));
  EXPECT_TRUE(
      checkIsa("avx512", processorWith({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"})));
  EXPECT_TRUE(checkIsa("baseline"));
}

TEST(CheckIsa, NamesTheMissingFeatureAndTheTargetThatRuns) {
  Status status = checkIsa("avx512", processorWith({"sse2", "avx2", "fma", "avx512f"}));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ExitCode::DeviceUnavailable);
  EXPECT_EQ(status.error().message(), "the code is for avx512, but this processor lacks avx512bw; "
                                      "compile for it with danausc --target cpu:avx2");
  status = checkIsa("avx2", processorWith({"sse2", "avx2"}));
  EXPECT_EQ(status.error().message(), "the code is for avx2, but this processor lacks fma; compile "
                                      "for it with danausc --target cpu:baseline");
}

TEST(CheckIsa, NamesWhatTheMatrixUnitNeeds) {
  std::vector<std::string_view> features{"sse2",     "avx2",     "fma",      "avx512f",
                                         "avx512bw", "avx512dq", "avx512vl", "avx512bf16"};
  Status status = checkIsa("amx", processorWith(features));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "the code is for amx, but this processor lacks amx-tile; "
                                      "compile for it with danausc --target cpu:avx512");
  features.insert(features.end(), {"amx-tile", "amx-bf16"});
  EXPECT_TRUE(checkIsa("amx", processorWith(features)));
}

/// Where a processor has the tiles, Linux lets a process use them; else one clear error.
TEST(MatrixTiles, AreGrantedOrRefused) {
  Status status = requestMatrixTiles();
  if (checkIsa("amx"))
    EXPECT_TRUE(status);
  else if (!status) {
    EXPECT_EQ(status.error().code(), ExitCode::DeviceUnavailable);
    EXPECT_NE(status.error().message().find("compile with danausc --target cpu:avx512"),
              std::string::npos);
  }
}

TEST(CheckIsa, GivesNoHintWhereNothingRuns) {
  Status status = checkIsa("avx2", processorWith({}));
  EXPECT_EQ(status.error().message(), "the code is for avx2, but this processor lacks avx2");
}

TEST(CpuInfo, ThisMachineHasSomething) {
  EXPECT_FALSE(cpuModelName().empty());
  EXPECT_GE(usableCores(), 1u);
  EXPECT_LE(usableCores(), affinityCpus().size());
  EXPECT_FALSE(cpuHasFeature("no such feature"));
}

TEST(FormatBytes, ChoosesAUnit) {
  EXPECT_EQ(formatBytes(0), "0 bytes");
  EXPECT_EQ(formatBytes(1023), "1023 bytes");
  EXPECT_EQ(formatBytes(1536), "1.5 KiB");
  EXPECT_EQ(formatBytes(uint64_t(3) << 30), "3.0 GiB");
  EXPECT_EQ(formatBytes(~uint64_t(0)), "16.0 EiB");
}

} // namespace
