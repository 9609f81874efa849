// See Arch.h. Shared memory: CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability", maximum per thread block.
#include "compiler/target/cuda/Arch.h"

#include "llvm/ADT/STLExtras.h"

using namespace danaus;
using namespace danaus::cuda;

static constexpr Arch archs[] = {
    {"sm_70", 70, 96 << 10},  {"sm_75", 75, 64 << 10},    {"sm_80", 80, 163 << 10},
    {"sm_86", 86, 99 << 10},  {"sm_87", 87, 163 << 10},   {"sm_89", 89, 99 << 10},
    {"sm_90", 90, 227 << 10}, {"sm_100", 100, 227 << 10}, {"sm_120", 120, 99 << 10},
};

llvm::ArrayRef<Arch> cuda::knownArchs() { return archs; }

const Arch *cuda::archNamed(llvm::StringRef name) {
  const Arch *found = llvm::find_if(archs, [&](const Arch &arch) { return arch.name == name; });
  return found == std::end(archs) ? nullptr : found;
}

const Arch &cuda::defaultArch() { return *archNamed("sm_80"); }
