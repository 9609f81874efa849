// Kernels are compiled independently of each other: a kernel is an LLVM module in an LLVM context
// of its own, and becomes an object file. The number of threads decides nothing but the time.
#include "compiler/target/cpu/CompileKernels.h"

#include "compiler/target/cpu/EmitKernels.h"
#include "compiler/target/cpu/LowerKernels.h"

#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Linker/Linker.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// Lowers, and makes ready what the translation to LLVM IR needs and threads must not make.
LogicalResult prepare(ModuleOp kernels, const Isa &isa, TimingScope &timing) {
  if (Status status = prepareTarget(); !status)
    return kernels.emitError(status.error().message());
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  TimingScope lowering = timing.nest("lower kernels");
  return lowerKernels(kernels, isa, lowering);
}

/// The number of each kernel, large kernels first: one that begins last keeps nobody waiting.
SmallVector<size_t> orderOfWork(ArrayRef<ModuleOp> kernels) {
  SmallVector<std::pair<size_t, size_t>> bySize; // operations, counted down from 0; number
  for (auto [i, kernel] : llvm::enumerate(kernels)) {
    size_t operations = 0;
    ModuleOp(kernel).walk([&](Operation *) { ++operations; });
    bySize.push_back({-operations, i});
  }
  llvm::sort(bySize);
  return llvm::to_vector(llvm::make_second_range(bySize));
}

/// The name of the kernel in a module of emitKernels().
std::string nameOf(ModuleOp kernel) {
  auto name = kernel.getBody()->front().getAttrOfType<StringAttr>("sym_name");
  return name ? name.str() : "unnamed";
}

Expected<std::string> compileKernel(ModuleOp kernel, const Isa &isa, TimingScope &timing) {
  llvm::LLVMContext context;
  auto machine = targetMachine(isa);
  auto module = translateKernel(kernel, isa, *machine, context, timing);
  if (!module)
    return Error(ExitCode::Internal,
                 "the kernel " + nameOf(kernel) + " has no LLVM IR for " + isa.name.str());
  TimingScope generation = timing.nest("generate code");
  return generateCode(*module, *machine, CodeForm::Object);
}

} // namespace

Expected<std::vector<std::string>> danaus::cpu::compileKernels(ModuleOp kernels, const Isa &isa,
                                                               TimingScope &timing) {
  if (failed(prepare(kernels, isa, timing)))
    return Error(ExitCode::Internal, "lowering the kernels for " + isa.name.str() + " failed");
  SmallVector<ModuleOp> each(kernels.getOps<ModuleOp>());
  std::vector<std::string> objects(each.size());
  std::vector<Status> statuses(each.size(), Status::ok());
  parallelForEach(kernels.getContext(), orderOfWork(each), [&](size_t i) {
    Expected<std::string> object = compileKernel(each[i], isa, timing);
    if (object)
      objects[i] = std::move(*object);
    else
      statuses[i] = object.takeError();
  });
  for (Status &status : statuses)
    if (!status)
      return status.takeError();
  return objects;
}

Expected<std::vector<std::string>> danaus::cpu::objectsOf(ModuleOp module, const Isa &isa,
                                                          const KernelObjects &known,
                                                          TimingScope &timing) {
  SmallVector<func::FuncOp> kernels = kernelsOf(module);
  std::vector<std::string> keys(kernels.size());
  std::vector<std::optional<std::string>> objects(kernels.size());
  parallelFor(module.getContext(), 0, kernels.size(), [&](size_t i) {
    keys[i] = known.keyOf(kernels[i], isa);
    objects[i] = known.find(keys[i], kernels[i]);
  });

  SmallVector<size_t> missing;
  SmallVector<func::FuncOp> unknown;
  for (auto [i, object] : llvm::enumerate(objects))
    if (!object) {
      missing.push_back(i);
      unknown.push_back(kernels[i]);
    }
  if (!missing.empty()) {
    TimingScope emission = timing.nest("emit kernels");
    OwningOpRef<ModuleOp> emitted = emitKernels(unknown, module.getLoc(), isa);
    emission.stop();
    auto compiled = compileKernels(*emitted, isa, timing);
    if (!compiled)
      return compiled.takeError();
    for (auto [i, object] : llvm::zip_equal(missing, *compiled)) {
      known.keep(keys[i], kernels[i], object);
      objects[i] = std::move(object);
    }
    known.trim();
  }
  std::vector<std::string> result;
  for (std::optional<std::string> &object : objects)
    result.push_back(std::move(*object));
  return result;
}

std::unique_ptr<llvm::Module> danaus::cpu::joinKernels(ModuleOp kernels, const Isa &isa,
                                                       llvm::LLVMContext &context,
                                                       TimingScope &timing) {
  if (failed(prepare(kernels, isa, timing)))
    return nullptr;
  auto machine = targetMachine(isa);
  auto joined = std::make_unique<llvm::Module>("danaus", context);
  joined->setTargetTriple(machine->getTargetTriple());
  joined->setDataLayout(machine->createDataLayout());
  for (auto kernel : kernels.getOps<ModuleOp>()) {
    auto module = translateKernel(kernel, isa, *machine, context, timing);
    if (!module)
      return nullptr;
    if (llvm::Linker::linkModules(*joined, std::move(module))) {
      kernels.emitError("joining the kernel " + nameOf(kernel) + " with the others failed");
      return nullptr;
    }
  }
  return joined;
}
