// What tests of single kernels share: a module of functions as machine code in this process.
#pragma once

#include "compiler/target/cpu/CompileKernels.h"
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "test/compiler/target/StepTesting.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

#include <dlfcn.h>
#include <fstream>
#include <sys/mman.h>

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

/// What a text of single kernels is made of, before and after they are emitted.
inline void loadKernelDialects(mlir::MLIRContext &context) {
  context.loadDialect<mlir::func::FuncDialect, mlir::scf::SCFDialect, mlir::arith::ArithDialect,
                      mlir::memref::MemRefDialect, mlir::vector::VectorDialect,
                      mlir::LLVM::LLVMDialect, kernel::KernelDialect, plan::PlanDialect>();
}

/// Memory whose end is the end of a page, behind which nothing may be touched.
class Guarded {
public:
  explicit Guarded(size_t bytes) {
    constexpr size_t page = 4096;
    size = (bytes + page - 1) / page * page + page;
    base = static_cast<char *>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base, MAP_FAILED);
    EXPECT_EQ(mprotect(base + size - page, page, PROT_NONE), 0);
    start = base + size - page - bytes;
  }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;
  ~Guarded() { munmap(base, size); }

  template <typename T> T *as() const { return reinterpret_cast<T *>(start); }

private:
  char *base = nullptr, *start = nullptr;
  size_t size = 0;
};

/// Runs every call of the kernel `@k` of `module`, the last first, from the machine code of
/// `kernels`: emitKernels()'s module of it. Each call finds its scratch full of NaN and a guard
/// page behind it.
inline void runKernel(mlir::ModuleOp module, mlir::ModuleOp kernels, const cpu::Isa &isa,
                      const std::vector<const void *> &buffers) {
  MachineCode code(kernels, isa);
  auto *entry = code.entry("k");
  ASSERT_TRUE(entry);
  auto kernel = module.lookupSymbol<mlir::func::FuncOp>("k");
  auto number = [&](mlir::StringRef name) {
    auto attribute = kernel->getAttrOfType<mlir::IntegerAttr>(name);
    return attribute ? attribute.getInt() : 0;
  };
  constexpr int64_t line = 64;
  int64_t bytes = (number(plan::ScratchAttr) + line - 1) / line * line;
  Guarded scratch(bytes);
  for (int64_t call = number(plan::TilesAttr); call-- > 0;) {
    std::fill_n(scratch.as<char>(), bytes, char(0xFF));
    entry(buffers.data(), call, scratch.as<void>());
  }
}

/// The same of the kernel that `text` describes.
inline void runKernel(const std::string &text, const cpu::Isa &isa,
                      const std::vector<const void *> &buffers) {
  mlir::MLIRContext context;
  loadKernelDialects(context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(module) << text;
  runKernel(*module, *cpu::emitKernels(*module, isa), isa, buffers);
}

} // namespace danaus::test
