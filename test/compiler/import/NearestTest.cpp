// The nearest right name: distances, and when a name is too far to be suggested.
#include "runtime/base/Nearest.h"

#include <gtest/gtest.h>

namespace danaus {
namespace {

TEST(Nearest, Distance) {
  EXPECT_EQ(editDistance("", ""), 0u);
  EXPECT_EQ(editDistance("", "abc"), 3u);
  EXPECT_EQ(editDistance("abc", ""), 3u);
  EXPECT_EQ(editDistance("linear", "liner"), 1u);
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("rleu", "relu"), 1u) << "a swap is one error";
  EXPECT_EQ(editDistance("Epochs", "epochs"), 0u) << "case does not count";
}

TEST(Nearest, Name) {
  const std::vector<std::string> known = {"epochs", "batch_size", "lr", "gelu", "relu"};
  EXPECT_EQ(nearestName("epoch", known), "epochs");
  EXPECT_EQ(nearestName("batchsize", known), "batch_size");
  EXPECT_EQ(nearestName("lf", known), "lr");
  EXPECT_EQ(nearestName("EPOCHS", known), "epochs");
  EXPECT_EQ(nearestName("velu", known), "gelu") << "the first of those equally near";
}

TEST(Nearest, NoneWhereAllAreFar) {
  const std::vector<std::string> known = {"lr", "epochs"};
  EXPECT_EQ(nearestName("xy", known), std::nullopt);
  EXPECT_EQ(nearestName("wibble", known), std::nullopt);
  EXPECT_EQ(nearestName("", known), std::nullopt);
  EXPECT_EQ(nearestName("epochs", std::vector<std::string>{}), std::nullopt);
  EXPECT_EQ(nearestName(std::string(1000, 'e'), known), std::nullopt);
}

} // namespace
} // namespace danaus
