// Ranks as threads of one process that add up through Gloo.
#include "runtime/comm/gloo/GlooCommunicator.h"

#include <gtest/gtest.h>
#include <random>

using namespace danaus;
using namespace std::chrono_literals;

namespace {

struct OneRank {
  std::unique_ptr<Device> device;
  std::unique_ptr<Communicator> ranks;
};

uint16_t anyPort() { return *portOf(*listenOn("127.0.0.1", 0)); }

/// Calls body(rank) for each of `count` ranks on threads of their own.
template <typename Body> void onRanks(unsigned count, Body body) {
  uint16_t port = anyPort();
  std::vector<std::thread> threads;
  for (unsigned rank = 0; rank < count; ++rank)
    threads.emplace_back([&, rank] {
      OneRank each;
      each.device = std::move(*builtinDevices().create("cpu", {.threads = 1}));
      RankEnvironment environment;
      environment.rank = rank;
      environment.size = count;
      environment.port = port;
      auto joined = joinRanks(environment, *each.device, JoinOptions{});
      ASSERT_TRUE(bool(joined)) << joined.error().message();
      each.ranks = std::move(*joined);
      body(each);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// What rank `rank` brings: small integers, whose sums are exact in any order.
float valueOf(unsigned rank, size_t i) { return float((i * 7 + rank * 3) % 11); }

} // namespace

TEST(GlooTest, SumsOfAnyLength) {
  for (unsigned count : {2u, 3u, 5u})
    onRanks(count, [count](OneRank &each) {
      for (size_t elements : {1, 2, 3, 7, 64, 1000, 70'001}) {
        auto arena = each.device->allocateArena(elements * sizeof(float) + 64);
        ASSERT_TRUE(bool(arena));
        auto *values = reinterpret_cast<float *>((*arena)->host());
        for (size_t i = 0; i < elements; ++i)
          values[i] = valueOf(each.ranks->rank(), i);
        auto number = each.ranks->beginSum(**arena, 0, elements);
        ASSERT_TRUE(bool(number));
        ASSERT_TRUE(bool(each.ranks->finishSums(*number)));
        for (size_t i = 0; i < elements; ++i) {
          float sum = 0;
          for (unsigned rank = 0; rank < count; ++rank)
            sum += valueOf(rank, i);
          ASSERT_EQ(values[i], sum) << "element " << i << " of " << elements;
        }
      }
    });
}

TEST(GlooTest, SumsAreTheSameBitsOnAllRanksAndAgain) {
  constexpr size_t elements = 10'007;
  std::vector<std::vector<float>> results(8);
  for (unsigned round = 0; round < 2; ++round)
    onRanks(4, [&](OneRank &each) {
      std::mt19937 random(each.ranks->rank());
      std::normal_distribution<float> normal;
      auto arena = each.device->allocateArena(elements * sizeof(float));
      std::span values(reinterpret_cast<float *>((*arena)->host()), elements);
      for (float &value : values)
        value = normal(random);
      auto number = each.ranks->beginSum(**arena, 0, elements);
      ASSERT_TRUE(bool(number) && bool(each.ranks->finishSums(*number)));
      results[round * 4 + each.ranks->rank()].assign(values.begin(), values.end());
    });
  for (const std::vector<float> &result : results)
    EXPECT_EQ(result, results[0]);
}

TEST(GlooTest, BroadcastsAndDoubles) {
  onRanks(3, [](OneRank &each) {
    std::string text = each.ranks->isFirst() ? "from rank 0" : "___________";
    ASSERT_TRUE(bool(each.ranks->broadcast(std::as_writable_bytes(std::span(text)))));
    EXPECT_EQ(text, "from rank 0");
    double values[] = {0.25, double(each.ranks->rank())};
    ASSERT_TRUE(bool(each.ranks->sum(values)));
    EXPECT_EQ(values[0], 0.75);
    EXPECT_EQ(values[1], 3);
  });
}

TEST(GlooTest, ManySumsAtOnce) {
  onRanks(2, [](OneRank &each) {
    constexpr uint64_t count = 50, elements = 100, stride = 512;
    auto arena = each.device->allocateArena(count * stride);
    std::vector<uint64_t> numbers;
    for (uint64_t i = 0; i < count; ++i) {
      auto *values = reinterpret_cast<float *>((*arena)->host() + i * stride);
      std::fill_n(values, elements, float(i + each.ranks->rank()));
      numbers.push_back(*each.ranks->beginSum(**arena, i * stride, elements));
    }
    ASSERT_TRUE(bool(each.ranks->finishSums(numbers.back())));
    for (uint64_t i = 0; i < count; ++i)
      EXPECT_EQ(reinterpret_cast<float *>((*arena)->host() + i * stride)[elements - 1],
                float(2 * i + 1));
  });
}

TEST(GlooTest, AFailedRankEndsTheOthersOperations) {
  onRanks(3, [](OneRank &each) {
    double value = 1;
    ASSERT_TRUE(bool(each.ranks->sum(std::span(&value, 1)))); // all have joined
    if (each.ranks->rank() == 1)
      return each.ranks->fail(Error(ExitCode::DataInvalid, "image 7 is broken"));
    Status status = each.ranks->sum(std::span(&value, 1)); // rank 1 does not come
    ASSERT_FALSE(bool(status));
    EXPECT_EQ(status.error().code(), ExitCode::PeerFailed);
    EXPECT_NE(status.error().message().find("rank 1"), std::string::npos);
    EXPECT_NE(status.error().message().find("image 7 is broken"), std::string::npos)
        << status.error().message();
  });
}
