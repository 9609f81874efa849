// Ranks as threads of one process that add up through Gloo, and through memory that they share.
#include "runtime/comm/JobCommunicator.h"
#include "runtime/comm/SharedSums.h"

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
template <typename Body> void onRanks(SumBackend backend, unsigned count, Body body) {
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
      auto joined = joinRanks(environment, *each.device, JoinOptions{.backend = backend});
      ASSERT_TRUE(bool(joined)) << joined.error().message();
      each.ranks = std::move(*joined);
      body(each);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// What rank `rank` brings: small integers, whose sums are exact in any order.
float valueOf(unsigned rank, size_t i) { return float((i * 7 + rank * 3) % 11); }

class JobCommunicatorTest : public testing::TestWithParam<SumBackend> {};
INSTANTIATE_TEST_SUITE_P(Backends, JobCommunicatorTest,
                         testing::Values(SumBackend::Gloo, SumBackend::Auto), [](const auto &info) {
                           return info.param == SumBackend::Gloo ? "Gloo" : "Memory";
                         });

} // namespace

TEST_P(JobCommunicatorTest, SumsOfAnyLength) {
  for (unsigned count : {2u, 3u, 5u})
    onRanks(GetParam(), count, [count](OneRank &each) {
      for (size_t elements : {1, 2, 3, 7, 64, 1000, 70'001, 400'000}) {
        auto arena = each.device->allocateArena(elements * sizeof(float) + 64);
        ASSERT_TRUE(bool(arena));
        auto *values = reinterpret_cast<float *>((*arena)->host());
        for (size_t i = 0; i < elements; ++i)
          values[i] = valueOf(each.ranks->rank(), i);
        auto number = each.ranks->begin(Collective::AllReduce, **arena, 0, elements);
        ASSERT_TRUE(bool(number));
        ASSERT_TRUE(bool(each.ranks->finish(*number)));
        for (size_t i = 0; i < elements; ++i) {
          float sum = 0;
          for (unsigned rank = 0; rank < count; ++rank)
            sum += valueOf(rank, i);
          ASSERT_EQ(values[i], sum) << "element " << i << " of " << elements;
        }
      }
    });
}

TEST_P(JobCommunicatorTest, SumsAreTheSameBitsOnAllRanksAndAgain) {
  constexpr size_t elements = 10'007;
  std::vector<std::vector<float>> results(8);
  for (unsigned round = 0; round < 2; ++round)
    onRanks(GetParam(), 4, [&](OneRank &each) {
      std::mt19937 random(each.ranks->rank());
      std::normal_distribution<float> normal;
      auto arena = each.device->allocateArena(elements * sizeof(float));
      std::span values(reinterpret_cast<float *>((*arena)->host()), elements);
      for (float &value : values)
        value = normal(random);
      auto number = each.ranks->begin(Collective::AllReduce, **arena, 0, elements);
      ASSERT_TRUE(bool(number) && bool(each.ranks->finish(*number)));
      results[round * 4 + each.ranks->rank()].assign(values.begin(), values.end());
    });
  for (const std::vector<float> &result : results)
    EXPECT_EQ(result, results[0]);
}

TEST_P(JobCommunicatorTest, PartsAreSummedAndGathered) {
  for (unsigned count : {2u, 3u, 5u})
    onRanks(GetParam(), count, [count](OneRank &each) {
      unsigned own = each.ranks->rank();
      for (size_t part : {16, 48, 1008, 70'000, 200'000}) {
        size_t elements = part * count;
        auto arena = each.device->allocateArena(elements * sizeof(float));
        ASSERT_TRUE(bool(arena));
        auto *values = reinterpret_cast<float *>((*arena)->host());
        for (size_t i = 0; i < elements; ++i)
          values[i] = valueOf(own, i);
        auto sums = each.ranks->begin(Collective::ReduceScatter, **arena, 0, elements);
        ASSERT_TRUE(bool(sums) && bool(each.ranks->finish(*sums)));
        for (size_t i = own * part; i < (own + 1) * part; ++i) {
          float sum = 0;
          for (unsigned rank = 0; rank < count; ++rank)
            sum += valueOf(rank, i);
          ASSERT_EQ(values[i], sum) << "element " << i << " of " << elements;
          values[i] = float(i % 1000);
        }
        auto all = each.ranks->begin(Collective::AllGather, **arena, 0, elements);
        ASSERT_TRUE(bool(all) && bool(each.ranks->finish(*all)));
        for (size_t i = 0; i < elements; ++i)
          ASSERT_EQ(values[i], float(i % 1000)) << "element " << i << " of " << elements;
      }
    });
}

/// In memory an all-reduce adds up in the same order; Gloo's own ring is another than ours.
TEST_P(JobCommunicatorTest, PartsHaveTheSameBitsAgain) {
  constexpr size_t part = 3'008, count = 4;
  std::vector<std::vector<float>> results(3);
  for (unsigned round = 0; round < results.size(); ++round) {
    results[round].resize(part * count);
    onRanks(GetParam(), count, [&](OneRank &each) {
      std::mt19937 random(each.ranks->rank());
      std::normal_distribution<float> normal;
      auto arena = each.device->allocateArena(part * count * sizeof(float));
      std::span values(reinterpret_cast<float *>((*arena)->host()), part * count);
      for (float &value : values)
        value = normal(random);
      Collective kind = round < 2 ? Collective::ReduceScatter : Collective::AllReduce;
      auto number = each.ranks->begin(kind, **arena, 0, values.size());
      ASSERT_TRUE(bool(number) && bool(each.ranks->finish(*number)));
      std::ranges::copy(values.subspan(each.ranks->rank() * part, part),
                        results[round].begin() + each.ranks->rank() * part);
    });
  }
  EXPECT_EQ(results[0], results[1]);
  if (GetParam() == SumBackend::Auto)
    EXPECT_EQ(results[0], results[2]);
}

TEST_P(JobCommunicatorTest, RankZeroGathersUnequalParts) {
  onRanks(GetParam(), 4, [](OneRank &each) {
    const uint64_t counts[] = {3, 0, 100'000, 1};
    std::vector<char> own(counts[each.ranks->rank()], char('a' + each.ranks->rank()));
    std::string all(each.ranks->isFirst() ? 100'004 : 0, ' ');
    ASSERT_TRUE(bool(each.ranks->gather(std::as_bytes(std::span(own)), counts,
                                        std::as_writable_bytes(std::span(all)))));
    if (each.ranks->isFirst())
      EXPECT_EQ(all, "aaa" + std::string(100'000, 'c') + "d");
  });
}

TEST_P(JobCommunicatorTest, BroadcastsAndDoubles) {
  onRanks(GetParam(), 3, [](OneRank &each) {
    std::string text = each.ranks->isFirst() ? "from rank 0" : "___________";
    ASSERT_TRUE(bool(each.ranks->broadcast(std::as_writable_bytes(std::span(text)))));
    EXPECT_EQ(text, "from rank 0");
    double values[] = {0.25, double(each.ranks->rank())};
    ASSERT_TRUE(bool(each.ranks->sum(values)));
    EXPECT_EQ(values[0], 0.75);
    EXPECT_EQ(values[1], 3);
  });
}

TEST_P(JobCommunicatorTest, ManySumsAtOnce) {
  onRanks(GetParam(), 2, [](OneRank &each) {
    constexpr uint64_t count = 50, elements = 100, stride = 512;
    auto arena = each.device->allocateArena(count * stride);
    std::vector<uint64_t> numbers;
    for (uint64_t i = 0; i < count; ++i) {
      auto *values = reinterpret_cast<float *>((*arena)->host() + i * stride);
      std::fill_n(values, elements, float(i + each.ranks->rank()));
      numbers.push_back(*each.ranks->begin(Collective::AllReduce, **arena, i * stride, elements));
    }
    ASSERT_TRUE(bool(each.ranks->finish(numbers.back())));
    for (uint64_t i = 0; i < count; ++i)
      EXPECT_EQ(reinterpret_cast<float *>((*arena)->host() + i * stride)[elements - 1],
                float(2 * i + 1));
  });
}

TEST_P(JobCommunicatorTest, AFailedRankEndsTheOthersOperations) {
  std::atomic<unsigned> joined = 0;
  onRanks(GetParam(), 3, [&](OneRank &each) {
    double value = 1;
    ASSERT_TRUE(bool(each.ranks->sum(std::span(&value, 1)))); // all have joined
    ++joined;
    while (joined < 3)
      std::this_thread::yield();
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

TEST(SharedSumsTest, OthersAndOtherNumbers) {
  auto first = SharedSums::create(2);
  ASSERT_TRUE(bool(first));
  std::string name = (*first)->name();
  EXPECT_FALSE(bool(SharedSums::open(name.substr(0, name.find(' ')) + " another boot", 1, 2)));
  auto second = SharedSums::open(name, 1, 2);
  ASSERT_TRUE(bool(second));
  (*first)->hide();
  EXPECT_FALSE(bool(SharedSums::open(name, 1, 2))) << "nobody else comes in";
  std::vector<float> many(100, 1), few(99, 1);
  std::thread other([&] { EXPECT_FALSE((*second)->run(Collective::AllReduce, few)); });
  EXPECT_FALSE((*first)->run(Collective::AllReduce, many))
      << "the ranks add up different numbers of values";
  other.join();
}

TEST(SharedSumsTest, OtherOperations) {
  auto first = SharedSums::create(2);
  ASSERT_TRUE(bool(first));
  auto second = SharedSums::open((*first)->name(), 1, 2);
  ASSERT_TRUE(bool(second));
  std::vector<float> mine(64, 1), theirs(64, 1);
  std::thread other([&] {
    EXPECT_TRUE((*second)->run(Collective::ReduceScatter, theirs));
    EXPECT_FALSE((*second)->run(Collective::AllGather, theirs));
  });
  EXPECT_TRUE((*first)->run(Collective::ReduceScatter, mine));
  EXPECT_FALSE((*first)->run(Collective::AllReduce, mine)) << "the ranks do different things";
  other.join();
  EXPECT_FALSE((*first)->run(Collective::AllGather, std::span(mine).first(63))) << "no equal parts";
}

TEST(SharedSumsTest, AbortLetsGo) {
  auto first = SharedSums::create(2);
  ASSERT_TRUE(bool(first));
  std::vector<float> values(10, 1);
  std::thread later([&] { (*first)->abort(); });
  EXPECT_FALSE((*first)->run(Collective::AllReduce, values)) << "rank 1 never comes";
  later.join();
}
