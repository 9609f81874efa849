// NVRTC by dlopen, and the cache of kernels: what is refused and how it is said, damaged files,
// many processes at a time.
#include "runtime/base/File.h"
#include "runtime/nvrtc/CompileCuda.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;

namespace {

const std::string kernel = "extern \"C\" __global__ void k(float *a) { a[threadIdx.x] *= 2; }\n";

#define REQUIRE_NVRTC()                                                                            \
  if (auto nvrtc = describeNvrtc(); !nvrtc)                                                        \
  GTEST_SKIP() << nvrtc.error().message()

class Folder {
public:
  Folder() {
    path =
        mkdtemp(std::string(std::filesystem::temp_directory_path() / "danaus-cache-XXXXXX").data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

CudaBinary sample() {
  CudaBinary binary{"sm_80", "// ptx", {std::byte(1), std::byte(2), std::byte(3)}, 32, 4, 16};
  return binary;
}

TEST(Nvrtc, CompilesForAnArchitecture) {
  REQUIRE_NVRTC();
  auto nvrtc = Nvrtc::open();
  auto binary = nvrtc->compile(kernel, "k.cu", "sm_80");
  ASSERT_TRUE(bool(binary)) << binary.error().message();
  EXPECT_NE(binary->ptx.find(".target sm_80"), std::string::npos);
  EXPECT_NE(binary->ptx.find(".entry k("), std::string::npos);
  EXPECT_FALSE(binary->cubin.empty());
  EXPECT_GT(binary->registers, 0u);
  EXPECT_EQ(binary->spillBytes, 0u);
}

TEST(Nvrtc, AnUnknownArchitectureGetsTheNextOlderOne) {
  REQUIRE_NVRTC();
  auto nvrtc = Nvrtc::open();
  bool cubin = true;
  auto options = nvrtc->optionsFor("sm_91", cubin);
  ASSERT_TRUE(bool(options));
  EXPECT_EQ(options->front(), "--gpu-architecture=compute_90");
  EXPECT_FALSE(cubin);
  auto none = nvrtc->optionsFor("sm_20", cubin);
  ASSERT_FALSE(bool(none));
  EXPECT_NE(none.error().message().find("and newer, not for sm_20; an older CUDA toolkit does"),
            std::string::npos);
}

TEST(Nvrtc, ErrorsNameTheLine) {
  REQUIRE_NVRTC();
  auto binary = Nvrtc::open()->compile("extern \"C\" __global__ void k() {\n  nonsense;\n}\n",
                                       "k.cu", "sm_80");
  ASSERT_FALSE(bool(binary));
  EXPECT_EQ(binary.error().code(), ExitCode::Internal);
  EXPECT_NE(binary.error().message().find("NVRTC cannot compile k.cu for sm_80:"),
            std::string::npos);
  EXPECT_NE(binary.error().message().find("k.cu(2): error: identifier \"nonsense\" is undefined"),
            std::string::npos)
      << binary.error().message();
}

TEST(Nvrtc, ManyKernelsByManyThreads) {
  REQUIRE_NVRTC();
  Folder folder;
  std::vector<CudaSource> sources;
  for (int i = 0; i < 6; ++i)
    sources.push_back({"k", kernel + "// " + std::to_string(i)});
  auto first = compileCuda(sources, "sm_80", 3, KernelCache(folder.path));
  ASSERT_TRUE(bool(first));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 6);
  auto second = compileCuda(sources, "sm_80", 1, KernelCache(folder.path));
  ASSERT_TRUE(bool(second));
  for (size_t i = 0; i < sources.size(); ++i)
    EXPECT_EQ((*first)[i].ptx, (*second)[i].ptx);
  sources[4].text = "broken";
  EXPECT_FALSE(bool(compileCuda(sources, "sm_80", 3, KernelCache(folder.path))));
}

TEST(KernelCache, KeepsWhatItIsGiven) {
  Folder folder;
  KernelCache cache(folder.path + "/new/folder");
  EXPECT_FALSE(cache.find("00"));
  cache.keep("00", sample());
  auto found = cache.find("00");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ptx, "// ptx");
  EXPECT_EQ(found->arch, "sm_80");
  EXPECT_EQ(found->cubin, sample().cubin);
  EXPECT_EQ(found->registers, 32u);
  EXPECT_EQ(found->spillBytes, 4u);
  EXPECT_EQ(found->sharedBytes, 16u);
  KernelCache nowhere("");
  nowhere.keep("00", sample());
  EXPECT_FALSE(nowhere.find("00"));
}

TEST(KernelCache, KeysTellEverythingApart) {
  NvrtcInfo nvrtc{13, 0, "", {}}, older{12, 8, "", {}};
  std::string key = KernelCache::key("text", "sm_80", nvrtc);
  EXPECT_EQ(key.size(), 32u);
  EXPECT_NE(key, KernelCache::key("texts", "sm_80", nvrtc));
  EXPECT_NE(key, KernelCache::key("text", "sm_90", nvrtc));
  EXPECT_NE(key, KernelCache::key("text", "sm_80", older));
}

/// Any byte changed, any length cut: compiled again, never used.
TEST(KernelCache, DamagedFilesAreNotUsed) {
  Folder folder;
  KernelCache cache(folder.path);
  cache.keep("00", sample());
  std::string path = folder.path + "/00.dnk", whole = *readFile(path, 1 << 20);
  auto write = [&](const std::string &content) {
    std::ofstream(path, std::ios::binary) << content;
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = char(changed[i] ^ 0x40);
    write(changed);
    EXPECT_FALSE(cache.find("00")) << "byte " << i;
    write(whole.substr(0, i));
    EXPECT_FALSE(cache.find("00")) << "length " << i;
  }
  write(whole + "x");
  EXPECT_FALSE(cache.find("00"));
  write(whole);
  EXPECT_TRUE(cache.find("00"));
}

TEST(KernelCache, ManyProcessesShareIt) {
  Folder folder;
  std::vector<pid_t> children;
  for (int i = 0; i < 32; ++i) {
    pid_t child = fork();
    if (child == 0) {
      KernelCache cache(folder.path);
      bool good = true;
      for (int round = 0; round < 50; ++round) {
        CudaBinary binary = sample();
        binary.ptx = std::string(5000, 'p');
        cache.keep(std::to_string(round % 3), binary);
        auto found = cache.find(std::to_string(round % 3));
        good &= found && found->ptx == binary.ptx;
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  kill(children[0], SIGKILL); // one of them dies in the middle
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (child != children[0])
      EXPECT_EQ(status, 0);
  }
  for (const char *key : {"0", "1", "2"})
    EXPECT_TRUE(KernelCache(folder.path).find(key));
}

TEST(KernelCache, TheFolderIsTheUsersCache) {
  setenv("XDG_CACHE_HOME", "/x/cache", 1);
  EXPECT_EQ(KernelCache::defaultFolder(), "/x/cache/danaus/kernels");
  setenv("DANAUS_CACHE", "/elsewhere", 1);
  EXPECT_EQ(KernelCache::defaultFolder(), "/elsewhere/kernels");
  unsetenv("DANAUS_CACHE");
}

} // namespace
