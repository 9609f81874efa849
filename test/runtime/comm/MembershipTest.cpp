// Ranks as threads that meet, and all the ways in which one of them is missed.
#include "runtime/comm/Membership.h"

#include <gtest/gtest.h>
#include <unistd.h>

using namespace danaus;
using namespace std::chrono_literals;

namespace {

class MembershipTest : public testing::Test {
protected:
  void serve(unsigned size, std::chrono::milliseconds timeout = 20s) {
    RendezvousOptions options;
    options.token = "secret";
    options.size = size;
    options.timeout = timeout;
    auto started = RendezvousServer::start(options);
    ASSERT_TRUE(bool(started));
    server = std::move(*started);
    this->size = size;
    this->timeout = timeout;
  }

  Expected<std::unique_ptr<Membership>> join(unsigned rank, const std::string &token = "secret",
                                             unsigned says = 0) {
    Membership::Options options;
    options.rank = rank;
    options.size = says ? says : size;
    options.port = server->port();
    options.token = token;
    options.timeout = timeout;
    return Membership::join(std::move(options));
  }

  /// All ranks, once they have met.
  std::vector<std::unique_ptr<Membership>> joinAll() {
    std::vector<std::unique_ptr<Membership>> members(size);
    std::vector<std::thread> threads;
    for (unsigned rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        if (auto joined = join(rank))
          members[rank] = std::move(*joined);
      });
    for (std::thread &thread : threads)
      thread.join();
    return members;
  }

  std::unique_ptr<RendezvousServer> server;
  unsigned size = 0;
  std::chrono::milliseconds timeout = 20s;
};

std::string messageOf(const Status &status) {
  return status ? "all is well" : status.error().message();
}

} // namespace

TEST_F(MembershipTest, KeysReachEverybody) {
  serve(3);
  auto members = joinAll();
  ASSERT_TRUE(members[0] && members[1] && members[2]);
  std::string value("\0bytes", 6);
  std::thread later([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(bool(members[2]->set("key", value)));
  });
  for (auto &member : members) {
    auto found = member->get("key");
    ASSERT_TRUE(bool(found));
    EXPECT_EQ(*found, value);
  }
  later.join();
}

TEST_F(MembershipTest, MissingRanksAreNamed) {
  serve(4, 500ms);
  Status status = Status::ok();
  std::thread other([&] { EXPECT_FALSE(bool(join(2))); });
  auto joined = join(0);
  other.join();
  ASSERT_FALSE(bool(joined));
  EXPECT_EQ(joined.error().code(), ExitCode::PeerFailed);
  EXPECT_NE(joined.error().message().find("rank 1, 3 of 4 did not come"), std::string::npos)
      << joined.error().message();
}

TEST_F(MembershipTest, WrongTokenSizeAndRankAreRefused) {
  serve(2, 5s);
  auto stranger = join(1, "guess");
  ASSERT_FALSE(bool(stranger));
  EXPECT_NE(stranger.error().message().find("token"), std::string::npos);
  auto other = join(1, "secret", 5);
  ASSERT_FALSE(bool(other));
  EXPECT_NE(other.error().message().find("one of 5 ranks, rank 0 that there are 2"),
            std::string::npos)
      << other.error().message();
}

TEST_F(MembershipTest, ARankThatIsThereTwice) {
  serve(2, 2s);
  std::thread first([&] { EXPECT_FALSE(bool(join(1))); });
  std::this_thread::sleep_for(100ms);
  auto second = join(1);
  first.join();
  ASSERT_FALSE(bool(second));
  EXPECT_NE(second.error().message().find("rank 1 is there twice"), std::string::npos)
      << second.error().message();
}

TEST_F(MembershipTest, StrangersDoNotDisturb) {
  serve(2);
  std::vector<FileHandle> strangers;
  for (int i = 0; i < 20; ++i) {
    auto connection = connectTo("127.0.0.1", server->port(), Clock::now() + 5s);
    ASSERT_TRUE(bool(connection));
    std::string noise = i % 2 ? "GET / HTTP/1.1\r\n\r\n" : std::string(1 << 16, '\xff');
    FrameConnection frames(std::move(*connection));
    (void)!::write(frames.descriptor(), noise.data(), noise.size());
  }
  auto members = joinAll();
  EXPECT_TRUE(members[0] && members[1]);
}

TEST_F(MembershipTest, AFailureReachesTheOthersByName) {
  serve(3);
  auto members = joinAll();
  members[1]->noteStep(41);
  members[1]->fail(Error(ExitCode::IoError, "the disk is full"));
  members[1].reset();
  for (unsigned rank : {0, 2}) {
    Status status = members[rank]->failure(10s);
    ASSERT_FALSE(bool(status));
    EXPECT_EQ(status.error().code(), ExitCode::PeerFailed);
    EXPECT_NE(messageOf(status).find("rank 1 on "), std::string::npos) << messageOf(status);
    EXPECT_NE(messageOf(status).find("failed: the disk is full"), std::string::npos);
  }
}

TEST_F(MembershipTest, GoodbyesAreNoFailures) {
  serve(3);
  auto members = joinAll();
  members[2].reset();
  members[1].reset();
  EXPECT_TRUE(bool(members[0]->failure(300ms)));
}

TEST_F(MembershipTest, ASilentRankIsNamed) {
  serve(2, 600ms);
  // A rank that greets and then neither speaks nor leaves.
  auto connection = connectTo("127.0.0.1", server->port(), Clock::now() + 5s);
  ASSERT_TRUE(bool(connection));
  FrameConnection silent(std::move(*connection));
  ASSERT_TRUE(bool(silent.send({FrameKind::Hello, 1, "secret", "2 elsewhere (process 7)"})));
  auto member = join(0);
  ASSERT_TRUE(bool(member));
  Status status = (*member)->failure(10s);
  EXPECT_NE(messageOf(status).find("rank 1 on elsewhere (process 7) has been silent for 0.6 s"),
            std::string::npos)
      << messageOf(status);
}

TEST_F(MembershipTest, AServerThatDiesIsNoticed) {
  serve(2);
  auto listener = listenOn("127.0.0.1", 0);
  ASSERT_TRUE(bool(listener));
  uint16_t port = *portOf(*listener);
  std::thread dying([&] {
    FrameConnection peer(acceptFrom(*listener));
    EXPECT_TRUE(bool(peer.send({FrameKind::Welcome})));
  });
  Membership::Options options;
  options.rank = 1;
  options.size = 2;
  options.port = port;
  auto member = Membership::join(options);
  dying.join();
  ASSERT_TRUE(bool(member));
  Status status = (*member)->failure(10s);
  EXPECT_NE(messageOf(status).find("rank 0 at 127.0.0.1 is gone"), std::string::npos)
      << messageOf(status);
}

TEST_F(MembershipTest, AllAgreeOnTheLastStep) {
  serve(3);
  auto members = joinAll();
  members[2]->requestStop();
  for (int i = 0; i < 1000 && !members[0]->stopRequested(); ++i)
    std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(members[0]->stopRequested());
  EXPECT_EQ(members[1]->stopStep(), UINT64_MAX);
  ASSERT_TRUE(bool(members[0]->announceStop(12)));
  for (auto &member : members)
    EXPECT_EQ(member->stopStep(), 12u);
}

TEST(SocketTest, LoopbackByNameAndNumber) {
  EXPECT_TRUE(isLoopback("localhost") && isLoopback("127.0.1.1") && isLoopback("::1"));
  EXPECT_FALSE(isLoopback("10.0.0.1"));
  EXPECT_TRUE(resolvesToLoopback("localhost") && resolvesToLoopback("127.0.1.1"));
  EXPECT_FALSE(resolvesToLoopback("10.0.0.1"));
  if (auto address = outwardAddress())
    EXPECT_FALSE(isLoopback(*address)) << *address;
}
