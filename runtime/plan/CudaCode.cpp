// See CudaCode.h.
#include "runtime/plan/CudaCode.h"

#include <set>

namespace danaus {

std::string packCudaCode(const fb::CudaCodeT &code) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishCudaCodeBuffer(builder, fb::CudaCode::Pack(builder, &code));
  return {reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize()};
}

static Error broken(const std::string &what) {
  return Error(ExitCode::CheckpointInvalid, "the CUDA code of this model binary is broken: " +
                                                what + "; compile the spec again");
}

static Status checkKernel(const fb::CudaKernel &kernel) {
  std::string where = "kernel " + kernel.symbol()->str() + " ";
  if (kernel.symbol()->size() == 0)
    return broken("a kernel has no name");
  if (kernel.block() == 0 || kernel.block() > MostBlockThreads)
    return broken(where + format("has blocks of %u threads", kernel.block()));
  if (kernel.source()->size() == 0)
    return broken(where + "has no source");
  for (const fb::CudaBinary *binary : *kernel.binaries())
    if (binary->ptx()->size() == 0)
      return broken(where + "has no PTX for " + binary->arch()->str());
  return Status::ok();
}

Expected<const fb::CudaCode *> readCudaCode(std::span<const std::byte> bytes) {
  const auto *start = reinterpret_cast<const uint8_t *>(bytes.data());
  // The verifier asserts the upper bound, and reads a file identifier without asking for room.
  if (bytes.size() < 16 || bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return broken(format("it has %zu bytes", bytes.size()));
  flatbuffers::Verifier verifier(start, bytes.size());
  if (!fb::VerifyCudaCodeBuffer(verifier))
    return broken("it is not well formed");
  const fb::CudaCode *code = fb::GetCudaCode(start);
  std::set<std::string_view> symbols;
  for (const fb::CudaKernel *kernel : *code->kernels()) {
    if (Status status = checkKernel(*kernel); !status)
      return status.takeError();
    if (!symbols.insert(kernel->symbol()->string_view()).second)
      return broken("two kernels are called " + kernel->symbol()->str());
  }
  return code;
}

} // namespace danaus
