// Checkpoints: bit-exact, found after a kill at any moment, refused when a byte is wrong.
#include "runtime/run/Checkpoint.h"
#include "test/runtime/support/TempFolder.h"

#include <cmath>
#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;
using namespace danaus::test;

namespace {

/// Tensors and counters that all say the same step.
struct Content {
  std::vector<float> weight, moment;
  int64_t counter;
  std::vector<TensorRef> model, state;
  CheckpointManifest manifest;

  explicit Content(uint64_t step, size_t size = 6)
      : weight(size, float(step)), moment(size, float(step) / 3), counter(int64_t(step)),
        model{{"w", {size}, weight.data()}},
        state{{"w.m", {size}, moment.data()}, {"step", {}, &counter, TensorType::I64}} {
    manifest.step = step;
    manifest.epoch = 3;
    manifest.epochStep = 17;
    manifest.bestAccuracy = 0.1 + double(step) / 7;
    manifest.bestEpoch = 2;
    manifest.seed = ~uint64_t(0);
    manifest.model = "m \"\xC3\xA4\"";
    manifest.specHash = "abc";
    manifest.metrics = {1, 2, 3};
    manifest.sums = {{"loss", 1.0 / 3}};
  }
  Content(const Content &) = delete;
  operator CheckpointContent() const { return {manifest, model, state}; }
};

/// Loads, and checks that all parts are of one step.
::testing::AssertionResult isWhole(const CheckpointStore &store, const std::string &slot,
                                   uint64_t &step, size_t size = 6) {
  Expected<LoadedCheckpoint> loaded = store.load(slot);
  if (!loaded)
    return ::testing::AssertionFailure() << loaded.error().message();
  step = loaded->manifest.step;
  Content expected(step, size);
  std::vector<float> values(size);
  int64_t counter = 0;
  bool good = loaded->model.readFloats("w", values.data(), size) && values == expected.weight &&
              loaded->state.readFloats("w.m", values.data(), size) && values == expected.moment &&
              loaded->state.readIntegers("step", &counter, 1) && counter == expected.counter;
  return good ? ::testing::AssertionSuccess()
              : ::testing::AssertionFailure() << "mixed content at step " << step;
}

size_t entries(const std::string &folder) {
  return size_t(std::distance(std::filesystem::directory_iterator(folder), {}));
}

struct CheckpointTest : ::testing::TestWithParam<FolderSwap> {
  TempFolder folder;
  CheckpointStore store{folder / "checkpoints", 1, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Swaps, CheckpointTest,
                         ::testing::Values(FolderSwap::Exchange, FolderSwap::TwoRenames));

TEST_P(CheckpointTest, EverythingComesBack) {
  EXPECT_FALSE(store.exists("last"));
  Content content(5);
  ASSERT_TRUE(succeeds(store.save("last", content)));
  EXPECT_TRUE(store.exists("last"));
  Expected<LoadedCheckpoint> loaded = store.load("last");
  ASSERT_TRUE(succeeds(loaded));
  const CheckpointManifest &read = loaded->manifest, &saved = content.manifest;
  EXPECT_EQ(read.step, saved.step);
  EXPECT_EQ(read.epoch, saved.epoch);
  EXPECT_EQ(read.epochStep, saved.epochStep);
  EXPECT_EQ(read.bestAccuracy, saved.bestAccuracy);
  EXPECT_EQ(read.bestEpoch, saved.bestEpoch);
  EXPECT_EQ(read.seed, saved.seed);
  EXPECT_EQ(read.model, saved.model);
  EXPECT_EQ(read.specHash, saved.specHash);
  EXPECT_EQ(read.metrics.jsonRows, 1u);
  EXPECT_EQ(read.metrics.csvRows, 2u);
  EXPECT_EQ(read.metrics.events, 3u);
  EXPECT_EQ(read.sums, saved.sums);
  EXPECT_EQ(loaded->note, "");
  uint64_t step;
  EXPECT_TRUE(isWhole(store, "last", step));
}

TEST_P(CheckpointTest, SavingReplacesAndLeavesNothingElse) {
  uint64_t step = 0;
  for (uint64_t save : {1, 2, 3}) {
    ASSERT_TRUE(succeeds(store.save("last", Content(save))));
    EXPECT_TRUE(isWhole(store, "last", step));
    EXPECT_EQ(step, save);
    EXPECT_EQ(entries(folder / "checkpoints"), 1u);
  }
}

TEST_P(CheckpointTest, OlderOnesAreKeptAndPruned) {
  CheckpointStore keeping(folder / "checkpoints", 3, GetParam());
  for (uint64_t step : {8, 9, 10, 11, 12})
    ASSERT_TRUE(succeeds(keeping.save("last", Content(step))));
  ASSERT_TRUE(succeeds(keeping.save("best", Content(9))));
  ASSERT_TRUE(succeeds(keeping.save("best", Content(12))));
  EXPECT_EQ(entries(folder / "checkpoints"), 4u);
  for (const char *name : {"checkpoints/step-10", "checkpoints/step-11", "checkpoints/last"})
    EXPECT_TRUE(succeeds(loadCheckpointFolder(folder / name))) << name;
}

TEST_P(CheckpointTest, KilledAtAnyMomentOneIsWhole) {
  // A child saves in a loop and is killed after varying times; what it had announced as saved, or
  // something newer, must be there.
  constexpr size_t size = 3000;
  ASSERT_TRUE(succeeds(store.save("last", Content(1, size))));
  uint64_t step = 1;
  for (int kill = 0; kill < 25; ++kill) {
    int pipes[2];
    ASSERT_EQ(::pipe(pipes), 0);
    pid_t child = ::fork();
    if (child == 0) {
      for (uint64_t next = step + 1;; ++next) {
        if (!store.save("last", Content(next, size)))
          ::_exit(1);
        if (::write(pipes[1], &next, sizeof(next)) != sizeof(next))
          ::_exit(2);
      }
    }
    ::close(pipes[1]);
    uint64_t announced = step;
    // Wait for some saves so that kills do not all fall on the first, then a little longer.
    for (int wait = 0; wait <= kill % 3; ++wait)
      ASSERT_EQ(::read(pipes[0], &announced, sizeof(announced)), ssize_t(sizeof(announced)));
    ::usleep(useconds_t(kill * 97 % 1500));
    ::kill(child, SIGKILL);
    int result = 0;
    ASSERT_EQ(::waitpid(child, &result, 0), child);
    ASSERT_TRUE(WIFSIGNALED(result));
    while (::read(pipes[0], &announced, sizeof(announced)) == sizeof(announced)) {
    }
    ::close(pipes[0]);
    ASSERT_TRUE(isWhole(store, "last", step, size));
    EXPECT_GE(step, announced);
    EXPECT_LE(step, announced + 1);
  }
}

TEST_P(CheckpointTest, InterruptedSwapIsFoundAndSaid) {
  std::string last = folder / "checkpoints/last";
  ASSERT_TRUE(succeeds(store.save("last", Content(4))));
  std::filesystem::rename(last, last + ".old");
  ASSERT_TRUE(succeeds(store.save("last", Content(5))));
  if (GetParam() == FolderSwap::TwoRenames)
    EXPECT_FALSE(pathExists(last + ".old"));
  // Killed between the two renames: both are whole, `last` is not there.
  ASSERT_TRUE(succeeds(store.save("last", Content(4))));
  std::filesystem::rename(last, last + ".keep");
  ASSERT_TRUE(succeeds(store.save("last", Content(5))));
  std::filesystem::rename(last, last + ".new");
  std::filesystem::rename(last + ".keep", last + ".old");
  EXPECT_TRUE(store.exists("last"));
  Expected<LoadedCheckpoint> loaded = store.load("last");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->manifest.step, 5u);
  EXPECT_NE(loaded->note.find("last.new' of step 5 is used instead"), std::string::npos);
  // The newer one incomplete: the older one is used.
  std::filesystem::resize_file(last + ".new/model.safetensors", 10);
  loaded = store.load("last");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->manifest.step, 4u);
  // And saving goes on from there.
  ASSERT_TRUE(succeeds(store.save("last", Content(6))));
  uint64_t step;
  EXPECT_TRUE(isWhole(store, "last", step));
  EXPECT_EQ(step, 6u);
  EXPECT_FALSE(pathExists(last + ".new"));
}

TEST_P(CheckpointTest, FullDiskKeepsTheOldOne) {
  ASSERT_TRUE(succeeds(store.save("last", Content(1))));
  pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{4000, 4000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Status status = store.save("last", Content(2, 100000));
    ::_exit(failsWith(status, ExitCode::IoError, "while saving checkpoint") ? 0 : 1);
  }
  int result = 0;
  ASSERT_EQ(::waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  uint64_t step;
  EXPECT_TRUE(isWhole(store, "last", step));
  EXPECT_EQ(step, 1u);
  EXPECT_EQ(entries(folder / "checkpoints"), 1u);
}

struct DamageTest : ::testing::Test {
  TempFolder folder;
  CheckpointStore store{folder.path()};
  void SetUp() override { ASSERT_TRUE(succeeds(store.save("last", Content(3, 2)))); }
};

TEST_F(DamageTest, NothingThere) {
  EXPECT_TRUE(failsWith(store.load("best"), ExitCode::CheckpointInvalid, "there is no checkpoint"));
}

TEST_F(DamageTest, AFileMissing) {
  for (const char *name : {"model.safetensors", "state.safetensors", "manifest.json"}) {
    std::string path = folder / (std::string("last/") + name);
    std::string content = readText(path);
    ASSERT_TRUE(removeTree(path));
    EXPECT_TRUE(failsWith(store.load("last"), ExitCode::CheckpointInvalid, name));
    writeText(path, content);
  }
  EXPECT_TRUE(succeeds(store.load("last")));
}

TEST_F(DamageTest, EveryLengthAndEveryByte) {
  for (const char *name : {"model.safetensors", "state.safetensors", "manifest.json"}) {
    std::string path = folder / (std::string("last/") + name), whole = readText(path);
    for (size_t place = 0; place < whole.size(); ++place) {
      writeText(path, whole.substr(0, place));
      EXPECT_TRUE(failsWith(store.load("last"), ExitCode::CheckpointInvalid, name)) << place;
      std::string altered = whole;
      altered[place] ^= 1 << place % 8;
      writeText(path, altered);
      EXPECT_TRUE(failsWith(store.load("last"), ExitCode::CheckpointInvalid, name)) << place;
    }
    writeText(path, whole + " ");
    EXPECT_TRUE(failsWith(store.load("last"), ExitCode::CheckpointInvalid, name));
    writeText(path, whole);
  }
}

TEST_F(DamageTest, ManifestOfAnotherFormat) {
  std::string path = folder / "last/manifest.json", text = readText(path);
  size_t place = text.find("\"format\": 2");
  ASSERT_NE(place, std::string::npos);
  writeText(path, text.replace(place, 11, "\"format\": 3"));
  EXPECT_TRUE(failsWith(store.load("last"), ExitCode::CheckpointInvalid,
                        "has format 3; this program reads 2"));
}

TEST_F(DamageTest, NumbersThatJsonCannotHold) {
  Content content(1);
  content.manifest.sums["loss"] = NAN;
  EXPECT_TRUE(failsWith(store.save("last", content), ExitCode::Internal, "not finite"));
  uint64_t step;
  EXPECT_TRUE(isWhole(store, "last", step, 2));
}

} // namespace
