// The section of CUDA code: what is written comes back, and what is broken is told.
#include "runtime/plan/CudaCode.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

fb::CudaCodeT sample() {
  fb::CudaCodeT code;
  for (const char *symbol : {"contract_0", "row_0"}) {
    auto kernel = std::make_unique<fb::CudaKernelT>();
    kernel->symbol = symbol;
    kernel->source = "__global__";
    kernel->block = 256;
    kernel->shared_bytes = 1024;
    kernel->parameters = {2, 0, 1};
    auto binary = std::make_unique<fb::CudaBinaryT>();
    binary->arch = "sm_80";
    binary->ptx = ".version";
    binary->cubin = {1, 2, 3};
    kernel->binaries.push_back(std::move(binary));
    code.kernels.push_back(std::move(kernel));
  }
  return code;
}

std::string errorOf(const std::string &bytes) {
  auto code = readCudaCode(std::as_bytes(std::span(bytes)));
  return code ? "it was accepted" : code.error().message();
}
std::string errorOf(const fb::CudaCodeT &code) { return errorOf(packCudaCode(code)); }

TEST(CudaCode, ComesBack) {
  std::string bytes = packCudaCode(sample());
  auto code = readCudaCode(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(bool(code)) << code.error().message();
  const fb::CudaKernel &kernel = *(*code)->kernels()->Get(1);
  EXPECT_EQ(kernel.symbol()->str(), "row_0");
  EXPECT_EQ(kernel.parameters()->Get(0), 2u);
  EXPECT_EQ(kernel.binaries()->Get(0)->cubin()->size(), 3u);
}

TEST(CudaCode, SaysWhatIsBroken) {
  const std::string begin = "the CUDA code of this model binary is broken: ",
                    end = "; compile the spec again";
  EXPECT_EQ(errorOf(std::string()), begin + "it has 0 bytes" + end);
  EXPECT_EQ(errorOf(std::string(100, 'x')), begin + "it is not well formed" + end);
  std::string cut = packCudaCode(sample());
  cut.resize(cut.size() / 2);
  EXPECT_EQ(errorOf(cut), begin + "it is not well formed" + end);
  auto code = sample();
  code.kernels[1]->symbol = "contract_0";
  EXPECT_EQ(errorOf(code), begin + "two kernels are called contract_0" + end);
  code = sample();
  code.kernels[0]->block = 2048;
  EXPECT_EQ(errorOf(code), begin + "kernel contract_0 has blocks of 2048 threads" + end);
  code = sample();
  code.kernels[0]->source = "";
  EXPECT_EQ(errorOf(code), begin + "kernel contract_0 has no source" + end);
  code = sample();
  code.kernels[1]->symbol = "";
  EXPECT_EQ(errorOf(code), begin + "a kernel has no name" + end);
  code = sample();
  code.kernels[1]->binaries[0]->ptx = "";
  EXPECT_EQ(errorOf(code), begin + "kernel row_0 has no PTX for sm_80" + end);
}

} // namespace
