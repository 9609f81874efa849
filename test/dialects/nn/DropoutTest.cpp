// nn.dropout in the reference interpreter: its bits, how many elements it keeps, and what its bits
// may depend on. Every seed is fixed, so that a bound of 5 sigma holds or not once and for all.
#include "runtime/base/Philox.h"
#include "test/dialects/nn/InterpreterTest.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

constexpr uint64_t Seed = 0x0123456789ABCDEF;
constexpr double Sigmas = 5;

class Dropout : public test::InterpreterTest {
protected:
  struct Attributes {
    double rate = 0.5;
    int64_t stream = 0, group = 1;
  };

  /// dropout(input), with these attributes.
  Tensor drop(const Tensor &input, const Tensor &control, Attributes attributes) {
    std::string type = "tensor<" + nn::shapeText(input.shape) + "xf32>";
    auto results =
        run(llvm::formatv("func.func @f(%x: {0}, %c: tensor<16xf32>) -> {0} {{\n"
                          "  %0 = nn.dropout %x, %c rate {1:f6} stream {2} group {3} : {0}, "
                          "tensor<16xf32>\n  return %0 : {0}\n}",
                          type, attributes.rate, attributes.stream, attributes.group),
            {input, control});
    EXPECT_TRUE(succeeded(results)) << diagnostics;
    return succeeded(results) ? (*results)[0] : Tensor();
  }

  /// dropout(1).
  Tensor mask(ArrayRef<int64_t> shape, const Tensor &control, Attributes attributes) {
    Tensor ones(shape);
    ones.data.assign(ones.size(), 1);
    return drop(ones, control, attributes);
  }
};

int64_t kept(const Tensor &mask) { return mask.size() - llvm::count(mask.data, 0.0); }

/// `count` of `trials` is what the probability lets one expect.
void expectLikely(int64_t count, int64_t trials, double probability) {
  double sigma = std::sqrt(trials * probability * (1 - probability));
  EXPECT_LE(std::fabs(count - trials * probability), Sigmas * sigma)
      << count << " of " << trials << " at probability " << probability;
}

/// Two masks of the rate 1/2 differ in half of their elements.
void expectIndependent(const Tensor &a, const Tensor &b) {
  ASSERT_EQ(a.shape, b.shape);
  int64_t different = 0;
  for (auto [x, y] : llvm::zip_equal(a.data, b.data))
    different += x != y;
  expectLikely(different, a.size(), 0.5);
}

TEST_F(Dropout, IsTheWordOfTheDocumentedCounter) {
  // 2 samples of 6 elements in groups of 3, from sample 5 on: 2 groups a sample.
  Tensor input({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  Tensor result = drop(input, dropoutControl(Seed, /*step=*/7, /*firstSample=*/5),
                       {.rate = 0.25, .stream = 3, .group = 3});
  ASSERT_EQ(result.size(), 12);
  for (uint32_t i = 0; i < 12; ++i) {
    uint32_t word = philox4x32({i / 3 + 10, 3, 7, 0x64726F70}, {0x89ABCDEF, 0x01234567})[0];
    bool keeps = (word >> 8) * 0x1p-24 >= 0.25;
    EXPECT_DOUBLE_EQ(result.data[i], keeps ? input.data[i] / 0.75 : 0) << "element " << i;
  }
}

TEST_F(Dropout, OfRateZeroIsTheIdentity) {
  std::mt19937 random{3};
  Tensor input = randomTensor({7, 11}, random);
  EXPECT_EQ(drop(input, dropoutControl(Seed, 0), {.rate = 0}).data, input.data);
}

TEST_F(Dropout, SetsToZeroAndDoesNotMultiply) {
  Tensor input({1000});
  input.data.assign(1000, NAN);
  Tensor result = drop(input, dropoutControl(Seed, 0), {});
  expectLikely(llvm::count(result.data, 0.0), 1000, 0.5);
}

TEST_F(Dropout, KeepsTheExpectedShare) {
  for (double rate : {0.001, 0.1, 0.5, 0.9, 0.999}) {
    Tensor result = mask({100, 1000}, dropoutControl(Seed, 1), {.rate = rate});
    expectLikely(kept(result), result.size(), 1 - rate);
    for (double value : result.data)
      ASSERT_TRUE(value == 0 || value == 1 / (1 - rate));
  }
}

TEST_F(Dropout, NeighboursAreIndependent) {
  Tensor result = mask({100, 1000}, dropoutControl(Seed, 1), {});
  for (int64_t distance : {1, 2, 3, 4, 16, 1000}) {
    int64_t equal = 0, pairs = result.size() - distance;
    for (int64_t i = 0; i < pairs; ++i)
      equal += result.data[i] == result.data[i + distance];
    expectLikely(equal, pairs, 0.5);
  }
}

TEST_F(Dropout, SeedStepAndStreamGiveOtherMasks) {
  SmallVector<int64_t> shape{100, 1000};
  Tensor base = mask(shape, dropoutControl(Seed, 1), {.stream = 1});
  EXPECT_EQ(mask(shape, dropoutControl(Seed, 1), {.stream = 1}).data, base.data);
  expectIndependent(base, mask(shape, dropoutControl(Seed, 1), {.stream = 2}));
  expectIndependent(base, mask(shape, dropoutControl(Seed, 2), {.stream = 1}));
  expectIndependent(base, mask(shape, dropoutControl(Seed + 1, 1), {.stream = 1}));
  expectIndependent(base, mask(shape, dropoutControl(Seed + (1ull << 32), 1), {.stream = 1}));
  // Not even with step and stream exchanged.
  expectIndependent(mask(shape, dropoutControl(Seed, 5), {.stream = 9}),
                    mask(shape, dropoutControl(Seed, 9), {.stream = 5}));
}

TEST_F(Dropout, AGroupIsKeptOrDroppedWhole) {
  for (int64_t group : {3, 6}) {
    Tensor result = mask({50000, 2, 3}, dropoutControl(Seed, 1), {.rate = 0.25, .group = group});
    int64_t keptGroups = 0, groups = result.size() / group;
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 1; i < group; ++i)
        ASSERT_EQ(result.data[g * group + i], result.data[g * group]) << "group " << g;
      keptGroups += result.data[g * group] != 0;
    }
    expectLikely(keptGroups, groups, 0.75);
  }
}

TEST_F(Dropout, DoesNotDependOnHowTheGlobalBatchIsCut) {
  std::mt19937 random{5};
  constexpr int64_t Samples = 13, PerSample = 5 * 7;
  Tensor input = randomTensor({Samples, 5, 7}, random);
  for (int64_t group : {1, 5, 7, 35}) {
    Attributes attributes{.rate = 0.3, .stream = 2, .group = group};
    Tensor whole = drop(input, dropoutControl(Seed, 4), attributes);
    for (int64_t part : {1, 2, 3, 12}) {
      std::vector<double> joined;
      for (int64_t first = 0; first < Samples; first += part) {
        int64_t samples = std::min(part, Samples - first);
        auto start = input.data.begin() + first * PerSample;
        Tensor cut({samples, 5, 7}, std::vector<double>(start, start + samples * PerSample));
        Tensor result = drop(cut, dropoutControl(Seed, 4, first), attributes);
        joined.insert(joined.end(), result.data.begin(), result.data.end());
      }
      EXPECT_EQ(joined, whole.data) << "group " << group << ", parts of " << part;
    }
  }
}

TEST_F(Dropout, OfNoSamplesIsEmpty) {
  EXPECT_EQ(mask({0, 3}, dropoutControl(Seed, 0), {.group = 3}).size(), 0);
}

} // namespace
