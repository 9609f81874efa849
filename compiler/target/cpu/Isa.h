// The instruction sets that CPU code is generated for.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace danaus::cpu {

struct Isa {
  llvm::StringRef name;      ///< as in `--target cpu:NAME` and in the model binary
  unsigned width;            ///< float32 lanes of a vector register
  unsigned registers;        ///< vector registers
  bool fma;                  ///< fused multiply-add; else a product and a sum
  llvm::StringRef processor; ///< LLVM's name of the processor
  llvm::StringRef features;  ///< and what it has beyond that
  bool matrixUnit; ///< multiplies 16 x 16 tiles of bfloat16 (AMX), float32 in six such products
};

/// The instruction set of this name; null where there is none.
const Isa *isaNamed(llvm::StringRef name);

/// The best one that this machine runs.
const Isa &hostIsa();

} // namespace danaus::cpu
