// Our declarations of CUPTI's records beside those of its header, and the library itself.
#include "runtime/base/DynamicLibrary.h"
#include "runtime/device/cuda/CuptiTypes.h"

#include <cstddef>
#include <cupti.h>
#include <gtest/gtest.h>

using namespace danaus;

#define SAME(ours, own, theirs, field)                                                             \
  static_assert(offsetof(cuda::ours, own) == offsetof(theirs, field), #field)

#define SAME_KERNEL(theirs)                                                                        \
  SAME(ActivityKernel, kind, theirs, kind);                                                        \
  SAME(ActivityKernel, start, theirs, start);                                                      \
  SAME(ActivityKernel, end, theirs, end);                                                          \
  SAME(ActivityKernel, deviceId, theirs, deviceId);                                                \
  SAME(ActivityKernel, streamId, theirs, streamId);                                                \
  SAME(ActivityKernel, name, theirs, name)
SAME_KERNEL(CUpti_ActivityKernel4); // CUDA 9
SAME_KERNEL(CUpti_ActivityKernel9); // CUDA 12

#define SAME_COPY(theirs)                                                                          \
  SAME(ActivityMemcpy, copyKind, theirs, copyKind);                                                \
  SAME(ActivityMemcpy, bytes, theirs, bytes);                                                      \
  SAME(ActivityMemcpy, start, theirs, start);                                                      \
  SAME(ActivityMemcpy, end, theirs, end);                                                          \
  SAME(ActivityMemcpy, streamId, theirs, streamId)
SAME_COPY(CUpti_ActivityMemcpy4);
SAME_COPY(CUpti_ActivityMemcpy5);

#if CUPTI_API_VERSION >= 130000
SAME_KERNEL(CUpti_ActivityKernel10);
SAME_COPY(CUpti_ActivityMemcpy6);
#endif

TEST(CuptiLayout, NumbersAreThoseOfTheHeader) {
  EXPECT_EQ(int(cuda::ActivityOfMemcpy), int(CUPTI_ACTIVITY_KIND_MEMCPY));
  EXPECT_EQ(int(cuda::ActivityOfKernel), int(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
  EXPECT_EQ(int(cuda::CopyToDevice), int(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD));
  EXPECT_EQ(int(cuda::CopyToHost), int(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH));
  EXPECT_EQ(int(cuda::CopyOnDevice), int(CUPTI_ACTIVITY_MEMCPY_KIND_DTOD));
  EXPECT_EQ(int(cuda::CuptiMaxLimitReached), int(CUPTI_ERROR_MAX_LIMIT_REACHED));
  EXPECT_EQ(int(cuda::CuptiInsufficientPrivileges), int(CUPTI_ERROR_INSUFFICIENT_PRIVILEGES));
  EXPECT_EQ(int(cuda::CuptiVirtualInsufficientPrivileges),
            int(CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES));
}

/// NVIDIA's library, as far as it goes without a GPU.
TEST(CuptiLibrary, HasWhatWeCall) {
  std::vector<std::string> candidates;
  for (const char *name : {"libcupti.so.13", "libcupti.so.12", "libcupti.so"})
    for (std::string &candidate : cudaCandidates(name))
      candidates.push_back(std::move(candidate));
  auto library = DynamicLibrary::open(candidates);
  if (!library)
    GTEST_SKIP() << library.error().message();
#define CUPTI_FUNCTION(name, symbol, ...) EXPECT_NE(library->find(#symbol), nullptr);
#include "runtime/device/cuda/Cupti.inc"
#undef CUPTI_FUNCTION
  int (*getVersion)(uint32_t *) = nullptr, (*getResultString)(int, const char **) = nullptr;
  ASSERT_TRUE(library->load("cuptiGetVersion", getVersion));
  uint32_t version = 0;
  EXPECT_EQ(getVersion(&version), cuda::CuptiSuccess);
  EXPECT_EQ(version / 10000, unsigned(CUPTI_API_VERSION) / 10000);
  ASSERT_TRUE(library->load("cuptiGetResultString", getResultString));
  const char *text = nullptr;
  EXPECT_EQ(getResultString(cuda::CuptiInsufficientPrivileges, &text), cuda::CuptiSuccess);
  EXPECT_STREQ(text, "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES");
}
