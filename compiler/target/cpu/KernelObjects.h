// Compiled kernels on disk, so that a spec of which a line has changed compiles what has become new
// alone. One file a kernel, named by the kernel's text at stage plan, the instruction set and the
// compiler. A damaged one is not found.
#pragma once

#include "compiler/target/cpu/Isa.h"
#include "runtime/base/FileCache.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>
#include <string>

namespace danaus::cpu {

class KernelObjects {
public:
  /// In this folder; "" finds and keeps nothing. `compiler` is compilerKey() of this program.
  KernelObjects(std::string folder, std::string compiler)
      : isOff(folder.empty()), compiler(std::move(compiler)),
        files(std::move(folder), ".dno", limit) {}

  /// The name of a kernel; its symbol is no part of it, as a kernel is renumbered when another one
  /// comes or goes. Empty where nothing is kept.
  std::string keyOf(mlir::func::FuncOp kernel, const Isa &isa) const;

  /// The object file, with the kernel's symbol; sets its plan.tiles and plan.scratch, as
  /// emitKernels() does. May be called by many threads for kernels of one module.
  std::optional<std::string> find(const std::string &key, mlir::func::FuncOp kernel) const;

  /// Keeps the object file of an emitted kernel.
  void keep(const std::string &key, mlir::func::FuncOp kernel, const std::string &object) const;

  /// Removes what was not used for longest; after the last keep().
  void trim() const { files.trim(); }

private:
  static constexpr uint64_t limit = uint64_t(256) << 20;
  bool isOff;
  std::string compiler;
  FileCache files;
};

} // namespace danaus::cpu
