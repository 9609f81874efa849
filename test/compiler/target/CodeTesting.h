// What tests of single kernels share: a module of functions as machine code in this process.
#pragma once

#include "compiler/target/cpu/CompileKernels.h"
#include "test/compiler/target/StepTesting.h"

#include <dlfcn.h>
#include <fstream>

namespace danaus::test {

/// emitKernels()'s module, or one of functions, compiled, linked and loaded.
class MachineCode {
public:
  MachineCode(mlir::ModuleOp module, const cpu::Isa &isa) {
    mlir::OwningOpRef<mlir::ModuleOp> kernels = mlir::ModuleOp::create(module.getLoc());
    if (module.getOps<mlir::ModuleOp>().empty())
      kernels->push_back(module->clone());
    mlir::DefaultTimingManager manager; // disabled: takes no times
    mlir::TimingScope timing = manager.getRootScope();
    auto objects =
        cpu::compileKernels(kernels->getBody()->empty() ? module : *kernels, isa, timing);
    auto shared = objects ? cpu::linkSharedObject(*objects) : objects.takeError();
    if (!shared) {
      ADD_FAILURE() << shared.error().message();
      return;
    }
    std::string path = folder.path / "kernels.so";
    std::ofstream(path, std::ios::binary) << *shared;
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library)
      ADD_FAILURE() << dlerror();
  }
  MachineCode(const MachineCode &) = delete;
  MachineCode &operator=(const MachineCode &) = delete;
  ~MachineCode() {
    if (library)
      dlclose(library);
  }

  using Entry = void(const void *const *buffers, int64_t call, void *scratch);
  /// Null, after a failure of the test, where there is no such kernel.
  Entry *entry(const char *name) const {
    void *symbol = library ? dlsym(library, name) : nullptr;
    if (!symbol)
      ADD_FAILURE() << "no kernel " << name;
    return reinterpret_cast<Entry *>(symbol);
  }

private:
  Folder folder;
  void *library = nullptr;
};

} // namespace danaus::test
