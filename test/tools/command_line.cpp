// The arguments of a verb, and the errors that a misspelt one leads to.
#include "tools/danaus/command/CommandLine.h"

#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::tool;

namespace {

struct Parsed {
  std::string model, out, split = "test";
  std::vector<std::string> rest;
  uint64_t threads = 0;
  bool resume = false;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, Parsed &into) {
  CommandLine line("train", "Trains.", {"danaus train x.yaml"});
  line.positional(into.model, "MODEL", "a model");
  line.rest(into.rest, "key=value", "overrides");
  line.option(into.out, "--out", "DIR", "a folder");
  line.option(into.threads, "--threads", "threads");
  line.choice(into.split, "--split", {"test", "train"}, "which");
  line.flag(into.resume, "--resume", "goes on");
  return line.parse(words);
}

std::string usageError(const Arguments &words) {
  Parsed parsed;
  auto outcome = parse(words, parsed);
  if (outcome)
    return "no error";
  EXPECT_EQ(outcome.error().code(), ExitCode::Usage);
  return outcome.error().message();
}

TEST(CommandLine, OptionsAndOverridesInAnyOrder) {
  Parsed parsed;
  ASSERT_TRUE(
      parse({"--threads", "2", "m.yaml", "a=1", "--out=dir", "b.c=-2", "--resume"}, parsed));
  EXPECT_EQ(parsed.model, "m.yaml");
  EXPECT_EQ(parsed.out, "dir");
  EXPECT_EQ(parsed.rest, (std::vector<std::string>{"a=1", "b.c=-2"}));
  EXPECT_EQ(parsed.threads, 2u);
  EXPECT_TRUE(parsed.resume);
}

TEST(CommandLine, MisspeltOptionNamesTheNearest) {
  EXPECT_NE(usageError({"m", "--treads", "2"}).find("did you mean '--threads'"), std::string::npos);
  EXPECT_NE(usageError({"m", "--resum"}).find("did you mean '--resume'"), std::string::npos);
  std::string far = usageError({"m", "--quantum"});
  EXPECT_NE(far.find("no option '--quantum'"), std::string::npos);
  EXPECT_EQ(far.find("did you mean"), std::string::npos);
}

TEST(CommandLine, EveryErrorSaysWhereHelpIs) {
  for (const Arguments &words : std::vector<Arguments>{{},
                                                       {"m", "--out"},
                                                       {"m", "--threads", "two"},
                                                       {"m", "--threads", "-1"},
                                                       {"m", "--split", "tset"},
                                                       {"m", "--wrong"}})
    EXPECT_NE(usageError(words).find("danaus train --help"), std::string::npos)
        << usageError(words);
}

TEST(CommandLine, HelpShowsArgumentsAndExamples) {
  Parsed parsed;
  ::testing::internal::CaptureStdout();
  auto outcome = parse({"--help"}, parsed);
  std::string page = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(*outcome, CommandLine::Outcome::HelpShown);
  for (const char *part : {"Trains.", "MODEL", "key=value", "--out DIR", "danaus train x.yaml"})
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
}

} // namespace
