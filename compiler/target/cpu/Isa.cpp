// The table of instruction sets, best first.
#include "compiler/target/cpu/Isa.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"

using namespace danaus::cpu;

static constexpr Isa isas[] = {
    {"amx", 16, 32, true, "x86-64-v4", "+prfchw,+avx512bf16,+amx-tile,+amx-bf16", true},
    {"avx512", 16, 32, true, "x86-64-v4", "+prfchw", false},
    {"avx2", 8, 16, true, "x86-64-v3", "", false},
    {"baseline", 4, 16, false, "x86-64", "", false},
};

const Isa *danaus::cpu::isaNamed(llvm::StringRef name) {
  const Isa *isa = llvm::find_if(isas, [&](const Isa &each) { return each.name == name; });
  return isa == std::end(isas) ? nullptr : isa;
}

const Isa &danaus::cpu::hostIsa() {
  const llvm::StringMap<bool> present = llvm::sys::getHostCPUFeatures();
  auto runs = [&](std::initializer_list<llvm::StringRef> features) {
    return llvm::all_of(features, [&](llvm::StringRef each) { return present.lookup(each); });
  };
  if (!runs({"avx2", "fma"}))
    return *isaNamed("baseline");
  if (!runs({"avx512f", "avx512bw", "avx512dq", "avx512vl"}))
    return *isaNamed("avx2");
  bool hasTiles = runs({"avx512bf16", "amx-tile", "amx-bf16"});
  return *isaNamed(hasTiles ? "amx" : "avx512");
}
