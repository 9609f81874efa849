// One function per kernel: arguments to flat memrefs, a chain's intermediates to scratch, the rest
// by class.
#include "compiler/target/cpu/EmitKernels.h"

#include "compiler/target/cpu/ContractParts.h"
#include "compiler/target/cpu/EmitMatrix.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// Bytes past the end of scratch that whole-vector loads may touch.
constexpr int64_t ScratchSlack = 4096;

MemRefType flatMemory(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get({type.getNumElements()}, type.getElementType());
}

class KernelEmitter {
public:
  KernelEmitter(func::FuncOp kernel, const Isa &isa) : kernel(kernel), isa(isa) {}

  void emit(OpBuilder &builder) {
    Operation &body = kernel.front().front();
    Location loc = kernel.getLoc();
    planScratch(body);
    SmallVector<Type> types;
    for (Type type : kernel.getArgumentTypes())
      types.push_back(flatMemory(type));
    for (Type type : kernel.getResultTypes())
      types.push_back(flatMemory(type));
    types.push_back(builder.getIndexType());
    int64_t bytes = 4 * std::max<int64_t>(scratchElements, 1);
    types.push_back(MemRefType::get({bytes}, builder.getI8Type()));
    auto function =
        func::FuncOp::create(builder, loc, kernel.getName(), builder.getFunctionType(types, {}));
    Block *block = function.addEntryBlock();
    OpBuilder inside = OpBuilder::atBlockEnd(block);
    auto arguments = function.getArguments();
    call = arguments[types.size() - 2];
    auto scratchOf = [&](Type element, int64_t size) -> Value {
      Value zero = arith::ConstantIndexOp::create(inside, loc, 0);
      return memref::ViewOp::create(inside, loc, MemRefType::get({bytes / size}, element),
                                    arguments.back(), zero, ValueRange());
    };
    scratch = scratchOf(inside.getF32Type(), 4);
    halves = scratchOf(inside.getBF16Type(), 2);
    for (auto [i, argument] : llvm::enumerate(kernel.getArguments()))
      views[argument] = {arguments[i], 0, Value()};
    for (auto [i, result] : llvm::enumerate(body.getResults()))
      views[result] = {arguments[kernel.getNumArguments() + i], 0, Value()};
    Emitter emitter(inside, loc, isa);
    int64_t tiles = emitBody(emitter, body);
    func::ReturnOp::create(inside, loc);
    kernel->setAttr(plan::TilesAttr, builder.getI64IntegerAttr(tiles));
    kernel->setAttr(
        plan::ScratchAttr,
        builder.getI64IntegerAttr(scratchElements ? scratchElements * 4 + ScratchSlack : 0));
  }

private:
  /// A place in scratch for each value that only the chain uses, while it is needed; values that
  /// leave it lie where they go.
  void planScratch(Operation &body) {
    if (auto attention = dyn_cast<kernel::AttentionOp>(body))
      scratchElements = attentionScratch(attention, isa);
    if (auto attention = dyn_cast<kernel::AttentionBackwardOp>(body))
      scratchElements = attentionScratch(attention, isa);
    if (auto contract = dyn_cast<kernel::ContractOp>(body))
      scratchElements = contract.getMatrixUnit() ? 0 : blockedScratch(contract, isa);
    auto chain = dyn_cast<kernel::ChainOp>(body);
    if (chain)
      planChain(chain);
    matrixPlace = scratchElements;
    body.walk([&](kernel::ContractOp op) {
      scratchElements = std::max(scratchElements, matrixPlace + matrixScratch(op));
    });
  }

  void planChain(kernel::ChainOp chain) {
    Operation *yield = chain.getBody().front().getTerminator();
    DenseSet<Value> leaving(yield->operand_begin(), yield->operand_end());
    int64_t rows = std::min<int64_t>(*chain.getRows(), chain.getRowCount());
    SmallVector<ScratchPlace> places;
    for (Operation &op : chain.getBody().front().without_terminator())
      for (Value value : op.getResults())
        if (!leaving.contains(value)) {
          auto type = cast<RankedTensorType>(value.getType());
          int64_t elements = rows * (type.getNumElements() / type.getDimSize(0));
          if (type.getElementType().isBF16())
            elements = llvm::divideCeil(elements, 2); // places are counted in float32
          scratchPlaces[value] = placeInScratch(places, op, value, llvm::alignTo(elements, 16));
        }
  }

  /// Elements [begin, end) of scratch, until `lastReader` has run.
  struct ScratchPlace {
    int64_t begin, end;
    Operation *lastReader;
  };

  /// The lowest place that no value still needed by `writer` or after it holds: scratch that is
  /// used again is still in the cache.
  int64_t placeInScratch(SmallVectorImpl<ScratchPlace> &places, Operation &writer, Value value,
                         int64_t elements) {
    Operation *lastReader = &writer;
    for (Operation *reader : value.getUsers())
      if (lastReader->isBeforeInBlock(reader))
        lastReader = reader;
    llvm::erase_if(places, [&](const ScratchPlace &place) {
      return place.lastReader->isBeforeInBlock(&writer);
    });
    llvm::sort(places, [](const auto &a, const auto &c) { return a.begin < c.begin; });
    int64_t begin = 0;
    for (const ScratchPlace &place : places) {
      if (begin + elements <= place.begin)
        break;
      begin = std::max(begin, place.end);
    }
    places.push_back({begin, begin + elements, lastReader});
    scratchElements = std::max(scratchElements, begin + elements);
    return begin;
  }

  int64_t emitBody(Emitter &emitter, Operation &body) {
    auto viewOf = [&](Value value) { return views.at(value); };
    if (auto op = dyn_cast<kernel::ContractOp>(body))
      return emitAlone(emitter, op);
    if (auto op = dyn_cast<kernel::PackOp>(body))
      return emitPack(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::RowOp>(body))
      return emitRow(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::AttentionOp>(body))
      return emitAttention(emitter, op, viewOf, call, {scratch, halves});
    if (auto op = dyn_cast<kernel::AttentionBackwardOp>(body))
      return emitAttentionBackward(emitter, op, viewOf, call, {scratch, halves});
    if (auto op = dyn_cast<kernel::CopyOp>(body))
      return emitCopy(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::ReduceOp>(body))
      return emitReduce(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::UpdateOp>(body))
      return emitUpdate(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::SquareNormOp>(body))
      return emitSquareNorm(emitter, op, viewOf, call);
    if (auto op = dyn_cast<kernel::MetricsOp>(body))
      return emitMetrics(emitter, op, viewOf, call);
    return emitChain(emitter, cast<kernel::ChainOp>(body));
  }

  /// A contraction that stands in no chain.
  int64_t emitAlone(Emitter &emitter, kernel::ContractOp op) {
    auto viewOf = [&](Value value) { return views.at(value); };
    for (Value result : op.getResults())
      views[result].isStreamed = op.getStreamed();
    int64_t calls = op.getMatrixUnit()
                        ? emitMatrixContract(emitter, op, viewOf, call, matrixMemory())
                    : op.isBlocked() ? emitBlockedContract(emitter, op, viewOf, call, scratch)
                                     : emitContract(emitter, op, viewOf, call);
    if (op.getStreamed())
      fenceStreams(emitter);
    return calls;
  }

  /// Stores around the caches are seen before the call is counted as done.
  static void fenceStreams(Emitter &emitter) {
    LLVM::FenceOp::create(emitter.b, emitter.loc, LLVM::AtomicOrdering::seq_cst);
  }

  int64_t emitChain(Emitter &emitter, kernel::ChainOp chain) {
    int64_t rows = chain.getRowCount(), perCall = *chain.getRows();
    Panel panel = emitter.panel(call, rows, perCall);
    Operation *yield = chain.getBody().front().getTerminator();
    for (auto [value, result] : llvm::zip(yield->getOperands(), chain.getResults())) {
      View view = views.at(result); // a copy: views[value] may move what at() refers to
      views[value] = view;
    }
    for (int64_t i : chain.getStreamed().value_or(ArrayRef<int64_t>()))
      views[yield->getOperand(i)].isStreamed = true;
    for (auto [value, place] : scratchPlaces)
      views[value] = cast<RankedTensorType>(value.getType()).getElementType().isBF16()
                         ? View{halves, 2 * place, panel.begin}
                         : View{scratch, place, panel.begin};
    auto viewOf = [&](Value value) { return views.at(value); };
    for (Operation &op : chain.getBody().front().without_terminator())
      if (auto contract = dyn_cast<kernel::ContractOp>(op))
        contract.getMatrixUnit()
            ? emitMatrixRows(emitter, contract, viewOf, panel, matrixMemory())
            : emitContractRows(emitter, contract, viewOf, panel, followingWeights(contract, rows));
      else
        emitRowRows(emitter, cast<kernel::RowOp>(op), viewOf, panel);
    if (chain.getStreamed())
      fenceStreams(emitter);
    return Panel::count(rows, perCall);
  }

  /// The weights of the next contraction of a chain of few calls, where they are so few that the
  /// second-level cache keeps them: a thread reads them for the first time in one of its calls, and
  /// then every second line may come from another core. Null: none, or larger ones, of which a
  /// panel is asked for while the one before is used.
  static Value followingWeights(kernel::ContractOp contract, int64_t rows) {
    constexpr int64_t fewRows = 256, fewWeights = 64 * 1024;
    for (Operation *op = contract->getNextNode(); op && rows <= fewRows; op = op->getNextNode())
      if (auto next = dyn_cast<kernel::ContractOp>(op)) {
        Value weights = next.getRhs();
        bool isOutside = weights.getParentRegion() != op->getParentRegion();
        return isOutside && cast<RankedTensorType>(weights.getType()).getNumElements() < fewWeights
                   ? weights
                   : Value();
      }
    return Value();
  }

  func::FuncOp kernel;
  const Isa &isa;
  DenseMap<Value, View> views;
  llvm::MapVector<Value, int64_t> scratchPlaces;
  int64_t scratchElements = 0;
  MatrixMemory matrixMemory() const { return {scratch, halves, matrixPlace}; }

  int64_t matrixPlace = 0;     ///< of what contractions on the matrix unit need, behind all else
  Value call, scratch, halves; ///< scratch as float32 and as bfloat16
};

} // namespace

OwningOpRef<ModuleOp> danaus::cpu::emitKernels(ArrayRef<func::FuncOp> kernels, Location loc,
                                               const Isa &isa) {
  OwningOpRef<ModuleOp> code = ModuleOp::create(loc);
  auto builder = OpBuilder::atBlockEnd(code->getBody());
  for (func::FuncOp kernel : kernels) {
    auto own = ModuleOp::create(builder, kernel.getLoc());
    auto inside = OpBuilder::atBlockEnd(own.getBody());
    KernelEmitter(kernel, isa).emit(inside);
  }
  return code;
}

SmallVector<func::FuncOp> danaus::cpu::kernelsOf(ModuleOp module) {
  SmallVector<func::FuncOp> kernels(module.getOps<func::FuncOp>());
  llvm::erase_if(kernels, [](func::FuncOp kernel) { return !kernel->hasAttr(plan::KindAttr); });
  return kernels;
}

OwningOpRef<ModuleOp> danaus::cpu::emitKernels(ModuleOp module, const Isa &isa) {
  return emitKernels(kernelsOf(module), module.getLoc(), isa);
}
