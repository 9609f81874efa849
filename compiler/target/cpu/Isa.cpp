// The table of instruction sets, best first.
#include "compiler/target/cpu/Isa.h"

#include "llvm/ADT/STLExtras.h"

using namespace danaus::cpu;

static constexpr Isa isas[] = {
    {"avx512", 16, 32, true, "x86-64-v4"},
    {"avx2", 8, 16, true, "x86-64-v3"},
    {"baseline", 4, 16, false, "x86-64"},
};

const Isa *danaus::cpu::isaNamed(llvm::StringRef name) {
  const Isa *isa = llvm::find_if(isas, [&](const Isa &each) { return each.name == name; });
  return isa == std::end(isas) ? nullptr : isa;
}

const Isa &danaus::cpu::hostIsa() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return isas[0];
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return isas[1];
  return isas[2];
}
