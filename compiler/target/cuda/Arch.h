// The GPU architectures that CUDA code is generated for.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace danaus::cuda {

struct Arch {
  llvm::StringRef name; ///< as in `--target cuda:NAME` and in the model binary
  unsigned sm;          ///< 80 for sm_80
  int64_t sharedBytes;  ///< that a block may use, dynamic shared memory

  /// mma.sync on float16; on bfloat16, and cp.async.
  bool multipliesF16() const { return sm >= 75; }
  bool multipliesBf16() const { return sm >= 80; }
};

/// All of them, oldest first.
llvm::ArrayRef<Arch> knownArchs();

/// The architecture of this name; null where there is none.
const Arch *archNamed(llvm::StringRef name);

/// What `--target cuda` means.
const Arch &defaultArch();

} // namespace danaus::cuda
