// LLVM's part: translation to its IR, entries, optimisation and code generation.
#include "compiler/target/cpu/ObjectCode.h"

#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace danaus;
using namespace danaus::cpu;

namespace {

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

llvm::Triple triple() { return llvm::Triple(llvm::sys::getDefaultTargetTriple()); }

/// What our code needs of LLVM's -O2, at a third of its time. Loops are vectorised and tiled
/// already; the rest tidies up index arithmetic, takes out of loops what does not change, and
/// unrolls the small ones of copies and sums. Induction variables are the code generator's affair.
constexpr llvm::StringLiteral pipeline =
    "always-inline,ipsccp,function<eager-inv>("
    "sroa<modify-cfg>,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,reassociate,"
    "loop-mssa(loop-rotate,licm<allowspeculation>),early-cse<memssa>,"
    "loop-unroll<O2>,vector-combine,instcombine<no-verify-fixpoint>,simplifycfg)";

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  llvm::ModulePassManager passes;
  llvm::cantFail(builder.parsePassPipeline(passes, pipeline)); // the text is ours
  passes.run(module, modules);
}

} // namespace

Status danaus::cpu::prepareTarget() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  std::string message;
  if (!llvm::TargetRegistry::lookupTarget(triple(), message))
    return Error(ExitCode::Internal, "LLVM has no target for this machine: " + message);
  return Status::ok();
}

std::unique_ptr<llvm::TargetMachine> danaus::cpu::targetMachine(const Isa &isa) {
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple(), message);
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple(), isa.processor, isa.features, llvm::TargetOptions(),
                                  llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
}

std::unique_ptr<llvm::Module> danaus::cpu::translateKernel(mlir::ModuleOp kernel, const Isa &isa,
                                                           llvm::TargetMachine &machine,
                                                           llvm::LLVMContext &context,
                                                           mlir::TimingScope &timing) {
  mlir::TimingScope translation = timing.nest("translate to LLVM IR");
  auto module = mlir::translateModuleToLLVMIR(kernel, context, "danaus");
  if (!module)
    return nullptr;
  module->setTargetTriple(machine.getTargetTriple());
  module->setDataLayout(machine.createDataLayout());
  addEntries(*module);
  setFunctionAttributes(*module, isa);
  translation.stop();
  mlir::TimingScope optimisation = timing.nest("optimise LLVM IR");
  optimise(*module, machine);
  return module;
}

Expected<std::string> danaus::cpu::generateCode(llvm::Module &module, llvm::TargetMachine &machine,
                                                CodeForm form) {
  llvm::SmallVector<char> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  auto type = form == CodeForm::Object ? llvm::CodeGenFileType::ObjectFile
                                       : llvm::CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    return Error(ExitCode::Internal, "LLVM cannot emit code for this machine");
  passes.run(module);
  return std::string(code.begin(), code.end());
}
