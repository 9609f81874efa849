// A cache of files: what is found, what is removed first, and that nothing that goes wrong is more
// than a file that is not there.
#include "runtime/base/FileCache.h"
#include "test/runtime/support/TempFolder.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;
using namespace danaus::test;

namespace {

std::string keyOf(int number) { return format("%032x", number); }

/// Used so many seconds after the epoch.
void setUsed(const std::string &path, time_t seconds) {
  timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST(FileCache, FindsWhatWasKeptLast) {
  TempFolder folder;
  FileCache cache(folder / "made/when/needed", ".x", 100);
  EXPECT_FALSE(cache.find(keyOf(1)));
  ASSERT_TRUE(cache.keep(keyOf(1), "first"));
  ASSERT_TRUE(cache.keep(keyOf(1), "second"));
  ASSERT_TRUE(cache.keep(keyOf(1), "more", ".more"));
  EXPECT_EQ(cache.find(keyOf(1)), "second");
  EXPECT_EQ(cache.find(keyOf(1), ".more"), "more");
  EXPECT_EQ(readText(folder / ("made/when/needed/" + keyOf(1) + ".x.more")), "more");
  EXPECT_FALSE(cache.find(keyOf(2)));
}

TEST(FileCache, WhatWasNotUsedForLongestGoesFirst) {
  TempFolder folder;
  FileCache cache(folder.path(), ".x", 100);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(cache.keep(keyOf(i), std::string(25, 'x')));
    setUsed(cache.pathOf(keyOf(i)), 1000 + i);
  }
  cache.trim(); // just full
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 4);
  ASSERT_TRUE(cache.find(keyOf(0))); // used
  cache.markUsed(keyOf(1));
  ASSERT_TRUE(cache.keep(keyOf(4), "x"));
  std::string unfinished = cache.pathOf(keyOf(5)) + ".tmp-1", others = folder / "roofline.x";
  writeText(unfinished, "of a killed process");
  setUsed(unfinished, 999);
  writeText(others, std::string(200, 'o'));
  cache.trim(); // to 75 bytes
  EXPECT_FALSE(pathExists(unfinished));
  EXPECT_TRUE(pathExists(others));
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(pathExists(cache.pathOf(keyOf(i))), i != 2 && i != 3) << i;
}

TEST(FileCache, WithoutAFolderNothingIsKept) {
  TempFolder folder;
  writeText(folder / "file", "");
  for (const std::string &path : {std::string(), folder / "file", folder / "file/below"}) {
    FileCache cache(path, ".x", 100);
    EXPECT_FALSE(cache.keep(keyOf(1), "x")) << path;
    EXPECT_FALSE(cache.find(keyOf(1))) << path;
    cache.markUsed(keyOf(1));
    cache.trim();
  }
}

TEST(FileCache, ManyProcessesShareIt) {
  TempFolder folder;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    pid_t child = ::fork();
    if (child == 0) {
      FileCache cache(folder.path(), ".x", 3000);
      bool good = true;
      for (int round = 0; round < 50; ++round) {
        std::string bytes(1000, char('a' + round % 5));
        (void)cache.keep(keyOf(round % 5), bytes); // fails where another one removed it unfinished
        cache.trim();
        auto found = cache.find(keyOf(round % 5));
        good &= !found || *found == bytes; // another one may have removed it
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST(CacheFolder, IsWhereTheVariablesSay) {
  ::setenv("HOME", "/home/me", 1);
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("DANAUS_CACHE");
  EXPECT_EQ(cacheFolder(), "/home/me/.cache/danaus");
  ::setenv("XDG_CACHE_HOME", "/x/cache", 1);
  EXPECT_EQ(cacheFolder(), "/x/cache/danaus");
  ::setenv("DANAUS_CACHE", "/elsewhere", 1);
  EXPECT_EQ(cacheFolder(), "/elsewhere");
  for (const char *name : {"HOME", "XDG_CACHE_HOME", "DANAUS_CACHE"})
    ::unsetenv(name);
  EXPECT_EQ(cacheFolder(), "");
}

} // namespace
