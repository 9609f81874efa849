// The compiler's face: runs the phases, prints stages, writes the binary.
#include "compiler/Compiler.h"

#include "compiler/DescribeFusion.h"
#include "compiler/Fusion.h"
#include "compiler/Pipelines.h"
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "compiler/target/ModelWriter.h"
#include "compiler/target/cpu/CompileKernels.h"
#include "compiler/target/cpu/EmitKernels.h"
#include "compiler/target/cuda/CompileSources.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"
#include "runtime/plan/ModelFile.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace danaus;

namespace {

/// The architecture of a target for CUDA.
const cuda::Arch &archOf(const Target &target) {
  const cuda::Arch *arch = cuda::archNamed(target.isa);
  return arch ? *arch : cuda::defaultArch();
}

/// The instruction set of a target; where it names none, the best of this machine.
const cpu::Isa &isaOf(const Target &target) {
  const cpu::Isa *isa = cpu::isaNamed(target.isa);
  return isa ? *isa : cpu::hostIsa();
}

Machine machineOf(const Target &target) {
  if (target.device == "cuda")
    return &archOf(target);
  return &isaOf(target);
}

/// Says so where the spec asks for 16 bits and the machine code has to imitate them.
void warnOfEmulation(ModuleOp module, const spec::Spec &spec, const cpu::Isa &isa) {
  auto operands = module->getAttrOfType<TypeAttr>(nn::OperandsAttr);
  if (!operands || (operands.getValue().isBF16() && isa.matrixUnit))
    return;
  bool isBf16 = operands.getValue().isBF16();
  emitWarning(spec::locationOf(spec, spec.train.dtype.mark, module.getContext()))
      << "train.dtype: " << (isBf16 ? "bf16" : "fp16") << " is emulated on cpu:" << isa.name
      << ": expect the speed of f32 or less; "
      << (isBf16 ? "only cpu:amx multiplies bf16 faster"
                 : "fp16 is for GPUs, and bf16 needs no loss scale");
}

void loadDialects(MLIRContext *context) {
  context->loadDialect<kernel::KernelDialect, plan::PlanDialect, memref::MemRefDialect,
                       scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
}

/// The kernels of a planned module, emitted for the CPU.
OwningOpRef<ModuleOp> emit(ModuleOp module, const cpu::Isa &isa, TimingScope &timing) {
  TimingScope emission = timing.nest("emit kernels");
  loadDialects(module.getContext());
  return cpu::emitKernels(module, isa);
}

Error internal(const std::string &what) { return Error(ExitCode::Internal, what); }

/// The shared object of a planned module.
Expected<std::string> sharedObjectOf(ModuleOp module, const cpu::Isa &isa,
                                     const KnownKernels &known, TimingScope &timing) {
  loadDialects(module.getContext());
  cpu::KernelObjects kept(known.folder, known.compiler);
  auto objects = cpu::objectsOf(module, isa, kept, timing);
  if (!objects)
    return objects.takeError();
  TimingScope linking = timing.nest("link");
  return cpu::linkSharedObject(*objects);
}

/// The kernels' CUDA C++ or PTX, one behind the other.
LogicalResult printCuda(ModuleOp module, Stage stage, const cuda::Arch &arch, llvm::raw_ostream &os,
                        TimingScope &timing) {
  if (stage == Stage::Ptx) {
    auto ptx = cuda::ptxOf(module, arch, timing);
    if (!ptx)
      return module.emitError(ptx.error().message());
    os << *ptx;
    return success();
  }
  auto sources = cuda::emitKernels(module, arch);
  if (failed(sources))
    return failure();
  for (const cuda::KernelSource &source : *sources)
    os << source.text << '\n';
  return success();
}

/// A section of the model file beside the model table.
struct NewSection {
  SectionKind kind;
  std::string bytes;
};

Expected<NewSection> codeOf(ModuleOp module, const Target &target, const spec::Spec &spec,
                            const KnownKernels &known, TimingScope &timing) {
  if (target.device != "cuda") {
    auto code = sharedObjectOf(module, isaOf(target), known, timing);
    return code ? Expected<NewSection>({SectionKind::CpuSharedObject, std::move(*code)})
                : code.takeError();
  }
  std::string warning;
  auto code = cuda::compileKernels(module, archOf(target), warning, timing);
  if (!code)
    return code.takeError();
  if (!warning.empty())
    emitWarning(spec::locationOf(spec, {}, module.getContext()))
        << "kernels for " << archOf(target).name
        << " stay sources, compiled where they run: " << warning;
  return NewSection{SectionKind::CudaCode, std::move(*code)};
}

/// Compiles the phase for one target; its sections are added.
Status compileTarget(ModuleOp imported, const Target &target, const spec::Spec &spec,
                     const KnownKernels &known, fb::PhaseT &phase, std::vector<NewSection> &added,
                     TimingScope &timing) {
  std::string isa = target.device == "cuda" ? archOf(target).name.str() : isaOf(target).name.str();
  OwningOpRef<ModuleOp> module = imported.clone();
  FailureOr<Fusion> fusion = planAndDescribeFusion(*module, target, timing);
  if (failed(fusion))
    return internal("compiling for " + isa + " failed");
  auto code = codeOf(*module, target, spec, known, timing);
  if (!code)
    return code.takeError();
  // Sections come in pairs, from 1: a target's code, and what was fused in it.
  added.push_back(std::move(*code));
  auto plan = describePlan(*module, phase, target.device, isa, added.size());
  added.push_back({SectionKind::Fusion, fusionAsJson(*fusion)});
  plan->fusion_section = added.size();
  phase.targets.push_back(std::move(plan));
  return Status::ok();
}

std::span<const std::byte> bytesOf(const char *data, size_t size) {
  return {reinterpret_cast<const std::byte *>(data), size};
}

} // namespace

/// Runs the phases behind `from`.
static LogicalResult runPhasesFrom(ModuleOp module, Stage from, Stage stage, const Machine &machine,
                                   TimingScope &timing) {
  loadDialects(module.getContext());
  PassManager passes(module.getContext());
  (void)applyPassManagerCLOptions(passes); // fails where a program has no such options
  passes.enableTiming(timing);
  buildPhases(passes, from, std::min(stage, Stage::Plan), machine);
  return passes.run(module);
}

LogicalResult danaus::runPhases(ModuleOp module, Stage stage, const Target &target,
                                TimingScope &timing) {
  return runPhasesFrom(module, Stage::Nn, stage, machineOf(target), timing);
}

FailureOr<Fusion> danaus::planAndDescribeFusion(ModuleOp module, const Target &target,
                                                TimingScope &timing) {
  Machine machine = machineOf(target);
  if (failed(runPhasesFrom(module, Stage::Nn, Stage::Fused, machine, timing)))
    return failure();
  FusionDescriber describer(module, gpuShapeOf(machine));
  if (failed(runPhasesFrom(module, Stage::Fused, Stage::Kernels, machine, timing)))
    return failure();
  describer.describeKernels();
  if (failed(runPhasesFrom(module, Stage::Kernels, Stage::Plan, machine, timing)))
    return failure();
  return describer.named();
}

LogicalResult danaus::printStage(ModuleOp module, Stage stage, const Target &target,
                                 llvm::raw_ostream &os, TimingScope &timing) {
  if (stage < Stage::Llvm) {
    module.print(os, OpPrintingFlags().printNameLocAsPrefix());
    os << '\n';
    return success();
  }
  if (stage >= Stage::Cuda)
    return printCuda(module, stage, archOf(target), os, timing);
  const cpu::Isa &isa = isaOf(target);
  llvm::LLVMContext context;
  OwningOpRef<ModuleOp> kernels = emit(module, isa, timing);
  auto code = cpu::joinKernels(*kernels, isa, context, timing);
  if (!code)
    return failure();
  if (stage == Stage::Llvm) {
    code->print(os, nullptr);
    return success();
  }
  auto text = cpu::generateCode(*code, *cpu::targetMachine(isa), cpu::CodeForm::Assembly);
  if (!text)
    return module.emitError(text.error().message());
  os << *text;
  return success();
}

Expected<std::vector<std::byte>>
danaus::compileModel(const spec::Spec &spec, ArrayRef<OwningOpRef<ModuleOp>> phases,
                     ArrayRef<Target> targets, const KnownKernels &known, TimingScope &timing) {
  fb::ModelT model;
  std::vector<NewSection> added;
  for (auto [index, imported] : llvm::enumerate(phases)) {
    ModuleOp module = imported.get();
    if (failed(runPhases(module, Stage::Structure, targets.front(), timing)))
      return internal("recognising structure failed");
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (index == 0)
      model = describeModel(spec, forward);
    model.phases.push_back(describePhase(spec, index, forward));
    for (const Target &target : targets) {
      if (target.device == "cpu" && index == 0)
        warnOfEmulation(module, spec, isaOf(target));
      if (Status status =
              compileTarget(module, target, spec, known, *model.phases.back(), added, timing);
          !status)
        return status.takeError();
    }
  }
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishModelBuffer(builder, fb::Model::Pack(builder, &model));
  std::vector<Section> sections{
      {0, SectionKind::ModelTable,
       bytesOf(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize())}};
  for (auto [i, each] : llvm::enumerate(added)) // ids from 1
    sections.push_back({uint32_t(i + 1), each.kind, bytesOf(each.bytes.data(), each.bytes.size())});
  return modelFileBytes(sections);
}
