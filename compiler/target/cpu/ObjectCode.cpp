// Lowering to LLVM, optimisation, code generation and linking.
#include "compiler/target/cpu/ObjectCode.h"

#include "compiler/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace danaus;
using namespace danaus::cpu;
using mlir::failed;

namespace {

mlir::LogicalResult lowerToLlvmDialect(mlir::ModuleOp module, const Isa &isa) {
  mlir::PassManager passes(module.getContext());
  (void)mlir::applyPassManagerCLOptions(passes); // fails where a program has no such options
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
  CpuExpandMathOptions math;
  math.isaName = isa.name.str();
  passes.addPass(createCpuExpandMath(math));
  passes.addPass(mlir::createSCFToControlFlowPass());
  mlir::ConvertVectorToLLVMPassOptions vectors;
  passes.addPass(mlir::createConvertVectorToLLVMPass(vectors));
  passes.addPass(mlir::createConvertMathToLLVMPass());
  passes.addPass(mlir::createFinalizeMemRefToLLVMConversionPass());
  mlir::ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  passes.addPass(mlir::createConvertFuncToLLVMPass(functions));
  passes.addPass(mlir::createArithToLLVMConversionPass());
  passes.addPass(mlir::createConvertControlFlowToLLVMPass());
  passes.addPass(mlir::createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

/// kernel(ptr..., i64, ptr) becomes internal, and kernel(ptr buffers, i64 call, ptr scratch) calls
/// it.
void addEntries(llvm::Module &module) {
  llvm::SmallVector<llvm::Function *> kernels;
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      kernels.push_back(&function);
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *number = llvm::Type::getInt64Ty(context);
  auto *type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, number, pointer}, false);
  for (llvm::Function *kernel : kernels) {
    std::string name = kernel->getName().str();
    kernel->setName(name + "_body");
    kernel->setLinkage(llvm::GlobalValue::InternalLinkage);
    kernel->addFnAttr(llvm::Attribute::AlwaysInline);
    auto *entry = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
    llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", entry));
    llvm::SmallVector<llvm::Value *> arguments;
    for (unsigned i = 0; i + 2 < kernel->arg_size(); ++i)
      arguments.push_back(
          builder.CreateLoad(pointer, builder.CreateConstGEP1_64(pointer, entry->getArg(0), i)));
    arguments.push_back(entry->getArg(1));
    arguments.push_back(entry->getArg(2));
    builder.CreateCall(kernel, arguments);
    builder.CreateRetVoid();
  }
}

/// A vector register is used whole: without this, LLVM halves AVX-512 vectors on some processors.
void setFunctionAttributes(llvm::Module &module, const Isa &isa) {
  std::string bits = std::to_string(isa.width * 32);
  for (llvm::Function &function : module) {
    function.addFnAttr("target-cpu", isa.processor);
    if (!isa.features.empty())
      function.addFnAttr("target-features", isa.features);
    function.addFnAttr("prefer-vector-width", bits);
    function.addFnAttr("min-legal-vector-width", bits);
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

Expected<std::unique_ptr<llvm::TargetMachine>> targetMachine(const Isa &isa) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return Error(ExitCode::Internal, "LLVM has no target for this machine: " + message);
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, isa.processor, isa.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Default));
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning; // our loops are vectorised already
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

} // namespace

std::unique_ptr<llvm::Module> danaus::cpu::translateKernels(mlir::ModuleOp kernels, const Isa &isa,
                                                            llvm::LLVMContext &context) {
  auto machine = targetMachine(isa);
  if (!machine) {
    kernels.emitError(machine.error().message());
    return nullptr;
  }
  mlir::DialectRegistry registry;
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  if (failed(lowerToLlvmDialect(kernels, isa)))
    return nullptr;
  auto module = mlir::translateModuleToLLVMIR(kernels, context, "danaus");
  if (!module)
    return nullptr;
  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  addEntries(*module);
  setFunctionAttributes(*module, isa);
  optimise(*module, **machine);
  return module;
}

Expected<std::string> danaus::cpu::generateCode(llvm::Module &module, const Isa &isa,
                                                CodeForm form) {
  auto machine = targetMachine(isa);
  if (!machine)
    return machine.takeError();
  llvm::SmallVector<char> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  auto type = form == CodeForm::Object ? llvm::CodeGenFileType::ObjectFile
                                       : llvm::CodeGenFileType::AssemblyFile;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, type))
    return Error(ExitCode::Internal, "LLVM cannot emit code for this machine");
  passes.run(module);
  return std::string(code.begin(), code.end());
}

Expected<std::string> danaus::cpu::linkSharedObject(const std::string &object) {
  auto linker = llvm::sys::findProgramByName("ld.lld-22", {"/usr/lib/llvm-22/bin", "/usr/bin"});
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker)
    return Error(ExitCode::Internal, "ld.lld is missing; install the package lld-22");
  llvm::SmallString<128> input, output, messages;
  int descriptor;
  if (auto code = llvm::sys::fs::createTemporaryFile("danaus", "o", descriptor, input))
    return Error(ExitCode::IoError, "cannot make a temporary file: " + code.message());
  llvm::FileRemover removeInput(input);
  {
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << object;
    stream.flush();
    if (stream.has_error()) {
      std::string reason = stream.error().message();
      stream.clear_error();
      return Error(ExitCode::IoError, "cannot write " + input.str().str() + ": " + reason);
    }
  }
  if (auto code = llvm::sys::fs::createTemporaryFile("danaus", "so", output))
    return Error(ExitCode::IoError, "cannot make a temporary file: " + code.message());
  llvm::FileRemover removeOutput(output);
  if (auto code = llvm::sys::fs::createTemporaryFile("danaus", "txt", messages))
    return Error(ExitCode::IoError, "cannot make a temporary file: " + code.message());
  llvm::FileRemover removeMessages(messages);
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, messages.str(), messages.str()};
  int result = llvm::sys::ExecuteAndWait(
      *linker, {"ld.lld", "-shared", "--build-id=none", "-s", "-o", output, input}, std::nullopt,
      redirects);
  if (result != 0) {
    auto text = llvm::MemoryBuffer::getFile(messages);
    return Error(ExitCode::Internal,
                 "the linker " + *linker + " failed: " + (text ? (*text)->getBuffer().str() : ""));
  }
  auto shared = llvm::MemoryBuffer::getFile(output);
  if (!shared)
    return Error(ExitCode::IoError,
                 "cannot read the linker's output: " + shared.getError().message());
  return (*shared)->getBuffer().str();
}
