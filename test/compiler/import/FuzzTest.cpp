// Damaged specs: whatever the bytes, the reader gives a Spec or says what is wrong, and does not
// crash. The damage comes from a fixed seed, so that a failure can be repeated.
#include "ReadText.h"

#include <gtest/gtest.h>
#include <random>

namespace danaus::spec {
namespace {

std::string goodText() {
  return fileText("models/mnist_mlp_low_rank.yaml") +
         "checkpoint: {keep: &k 2}\nlog: {every: *k}\n# 'quoted' \"text\"\n";
}

void expectAnswer(const std::string &text) {
  ReadResult result = readText(text);
  EXPECT_EQ(mlir::succeeded(result.spec), result.messages.empty()) << text;
  if (mlir::failed(result.spec)) {
    EXPECT_EQ(result.messages.rfind("bad.yaml:", 0), 0u) << result.messages;
  }
}

TEST(Fuzz, EveryPrefix) {
  std::string text = goodText();
  for (size_t length = 0; length <= text.size(); ++length)
    expectAnswer(text.substr(0, length));
}

TEST(Fuzz, RandomBytes) {
  std::mt19937 random(20240607);
  const std::string text = goodText();
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] = char(random());
    expectAnswer(damaged);
  }
}

TEST(Fuzz, RandomSyntax) {
  const std::string letters = "[]{}:,-&*!|>'\"%@`#?<~ \n\t0x.e";
  std::mt19937 random(7);
  const std::string text = goodText();
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    for (unsigned edits = 1 + random() % 6; edits > 0; --edits)
      damaged.insert(random() % damaged.size(), 1, letters[random() % letters.size()]);
    expectAnswer(damaged);
  }
}

TEST(Fuzz, RandomOverrides) {
  const std::string text = goodText();
  const std::string letters = "train.epochsdl=0.1{}[]:'\" \n&*";
  std::mt19937 random(11);
  for (int i = 0; i < 1000; ++i) {
    std::string override = i % 2 ? "train.epochs=3" : "structure.0.rank=[1]";
    for (unsigned edits = random() % 5; edits > 0; --edits)
      override[random() % override.size()] = letters[random() % letters.size()];
    ReadResult result = readText(text, {override});
    EXPECT_EQ(mlir::succeeded(result.spec), result.messages.empty()) << override;
  }
}

} // namespace
} // namespace danaus::spec
