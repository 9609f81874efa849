// Our declarations of NVTX's interface to tools beside those of its headers.
#include "runtime/trace/Nvtx.h"

#include <gtest/gtest.h>
#include <nvtx3/nvToolsExt.h>

using namespace danaus::trace;

#define SAME(own, ours, theirs, field)                                                             \
  static_assert(offsetof(nvtx::own, ours) == offsetof(theirs, field), #field)

static_assert(sizeof(nvtx::EventAttributes) == sizeof(nvtxEventAttributes_t));
SAME(EventAttributes, size, nvtxEventAttributes_t, size);
SAME(EventAttributes, color, nvtxEventAttributes_t, color);
SAME(EventAttributes, payload, nvtxEventAttributes_t, payload);
SAME(EventAttributes, messageType, nvtxEventAttributes_t, messageType);
SAME(EventAttributes, message, nvtxEventAttributes_t, message);
static_assert(sizeof(nvtx::Callbacks) == sizeof(NvtxExportTableCallbacks));
SAME(Callbacks, getModuleFunctionTable, NvtxExportTableCallbacks, GetModuleFunctionTable);
static_assert(sizeof(nvtx::VersionInfo) == sizeof(NvtxExportTableVersionInfo));
SAME(VersionInfo, version, NvtxExportTableVersionInfo, version);
SAME(VersionInfo, setInjectionVersion, NvtxExportTableVersionInfo, SetInjectionNvtxVersion);

TEST(NvtxLayout, NumbersAreThoseOfTheHeaders) {
  EXPECT_EQ(int(nvtx::Version), NVTX_VERSION);
  EXPECT_EQ(nvtx::MessageIsAscii, int(NVTX_MESSAGE_TYPE_ASCII));
  EXPECT_EQ(int(nvtx::CallbacksTable), int(NVTX_ETID_CALLBACKS));
  EXPECT_EQ(int(nvtx::VersionTable), int(NVTX_ETID_VERSIONINFO));
  EXPECT_EQ(int(nvtx::Core), int(NVTX_CB_MODULE_CORE));
  EXPECT_EQ(int(nvtx::Core2), int(NVTX_CB_MODULE_CORE2));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_CORE]), int(NVTX_CBID_CORE_SIZE));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_CUDA]), int(NVTX_CBID_CUDA_SIZE));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_OPENCL]), int(NVTX_CBID_OPENCL_SIZE));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_CUDART]), int(NVTX_CBID_CUDART_SIZE));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_CORE2]), int(NVTX_CBID_CORE2_SIZE));
  EXPECT_EQ(int(nvtx::PlacesOf[NVTX_CB_MODULE_SYNC]), int(NVTX_CBID_SYNC_SIZE));
  EXPECT_EQ(int(nvtx::NameOsThread), int(NVTX_CBID_CORE_NameOsThreadA));
  EXPECT_EQ(int(nvtx::RangePush), int(NVTX_CBID_CORE2_DomainRangePushEx));
  EXPECT_EQ(int(nvtx::RangePop), int(NVTX_CBID_CORE2_DomainRangePop));
  EXPECT_EQ(int(nvtx::DomainCreate), int(NVTX_CBID_CORE2_DomainCreateA));
}
