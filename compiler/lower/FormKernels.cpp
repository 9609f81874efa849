// nn-form-kernels: every nn operation becomes one kernel operation. What may be fused is decided by
// the passes after this one. nn.reshape and nn.after stay: they move nothing.
#include "compiler/Passes.h"
#include "compiler/lower/FormContract.h"
#include "compiler/lower/FormTokens.h"
#include "compiler/lower/FusionRecord.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/MatrixUnit.h"
#include "compiler/lower/Scalar.h"
#include "compiler/lower/ScalarCode.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/IRMapping.h"

namespace danaus {
#define GEN_PASS_DEF_NNFORMKERNELS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

int64_t productOf(ArrayRef<int64_t> shape) { return llvm::product_of(shape); }

class Former {
public:
  Former(func::FuncOp function, const NNFormKernelsOptions &options)
      : function(function), builder(function.getContext()), storeBf16(options.storeBf16),
        storeF16(options.storeF16),
        mostBf16Group(options.groupBf16 ? int64_t(MatrixTile) : int64_t(1)) {
    auto operands = function->getParentOp()->getAttrOfType<TypeAttr>(nn::OperandsAttr);
    if (options.roundAttention && operands && isStored(operands.getValue()))
      attentionProducts = operands;
  }

  LogicalResult run() {
    SmallVector<Operation *> ops =
        llvm::map_to_vector(function.front(), [](Operation &op) { return &op; });
    for (Operation *op : ops) {
      if (isa<nn::ReshapeOp, nn::AfterOp, func::ReturnOp>(op) || erased.contains(op))
        continue;
      builder.setInsertionPoint(op);
      Operation *before = op->getPrevNode();
      if (failed(form(op)))
        return failure();
      record(op, before);
    }
    formUpdates();
    for (Operation *op : llvm::reverse(ops))
      if (erased.contains(op))
        op->erase();
    simplifyReshapes();
    return success();
  }

private:
  /// A reshape between two kernels over the same rows would keep them apart; one that nobody reads,
  /// or an nn.after, would look like a second reader of a product.
  void simplifyReshapes() {
    for (auto reshape : llvm::make_early_inc_range(function.front().getOps<nn::ReshapeOp>())) {
      while (auto inner = reshape.getInput().getDefiningOp<nn::ReshapeOp>())
        reshape.getInputMutable().assign(inner.getInput());
      if (reshape.getInput().getType() == reshape.getType())
        reshape.getResult().replaceAllUsesWith(reshape.getInput());
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (isa<nn::ReshapeOp, nn::AfterOp>(op) && op.use_empty())
        op.erase();
  }

  /// Names what `op` became: the kernels between `before` and it.
  void record(Operation *op, Operation *before) {
    bool isBias = isa<nn::AddOp>(op) && op->getOperand(0).getType() != op->getOperand(1).getType();
    StringRef name = isBias ? "bias" : op->getName().stripDialect();
    for (Operation *made = op->getPrevNode(); made && made != before; made = made->getPrevNode())
      if (isa<kernel::KernelDialect>(made->getDialect()))
        recordOperation(made, name);
  }

  LogicalResult form(Operation *op) {
    if (auto contract = dyn_cast<nn::ContractOp>(op)) {
      auto kernel = formContract(builder, contract, mostBf16Group);
      return failed(kernel) ? failure() : replace(op, *kernel);
    }
    if (auto add = dyn_cast<nn::AddOp>(op))
      return formAdd(add);
    if (isa<nn::ReluOp, nn::ReluBackwardOp, nn::GeluOp, nn::GeluBackwardOp, nn::GeluTanhOp,
            nn::GeluTanhBackwardOp>(op))
      return formElementwise(op);
    if (auto round = dyn_cast<nn::RoundOp>(op))
      return formRounding(round);
    if (auto loss = dyn_cast<nn::CrossEntropyLossOp>(op))
      return formCrossEntropy(loss);
    if (auto values = formTokens(builder, op); succeeded(values)) {
      if (Operation *kernel = values->front().getDefiningOp();
          attentionProducts && isa<kernel::AttentionOp, kernel::AttentionBackwardOp>(kernel))
        kernel->setAttr("products", attentionProducts);
      op->replaceAllUsesWith(*values);
      erased.insert(op);
      return success();
    }
    if (auto norm = dyn_cast<nn::SquareNormOp>(op))
      return replace(op, kernel::SquareNormOp::create(builder, op->getLoc(), norm.getType(),
                                                      norm.getGradients()));
    if (auto metrics = dyn_cast<nn::BatchMetricsOp>(op))
      return replace(op, kernel::MetricsOp::create(builder, op->getLoc(), metrics.getType(),
                                                   metrics.getLoss(), metrics.getCorrect(),
                                                   metrics.getControl(), metrics.getSquareNorm(),
                                                   metrics.getScaledAttr()));
    if (auto accumulate = dyn_cast<nn::AccumulateOp>(op))
      return formAccumulate(accumulate);
    if (isa<nn::TransposeOp, nn::PadOp, nn::SliceOp>(op))
      return formCopy(op);
    if (isa<nn::EmaStepOp>(op)) { // part of the update before it
      erased.insert(op);
      return success();
    }
    if (isa<nn::SgdStepOp, nn::AdamStepOp>(op)) {
      NamedAttrList key(op->getAttrDictionary());
      if (nn::EmaStepOp average = averageOf(op))
        key.set("ema", average.getDecayAttr());
      updates[key.getDictionary(builder.getContext())].push_back(op);
      erased.insert(op);
      return success();
    }
    return op->emitOpError("has no kernel; run nn-recognise and nn-expand-linears first");
  }

  LogicalResult replace(Operation *op, Operation *kernel) {
    op->replaceAllUsesWith(kernel->getResults());
    erased.insert(op);
    return success();
  }

  Value reshaped(Value value, ArrayRef<int64_t> shape) { return reshapedTo(builder, value, shape); }

  AffineMap mapOf(unsigned dims, ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(dims, 0, exprs, builder.getContext());
  }

  // --- element-wise -----------------------------------------------------------------------------

  /// Creates kernel.row over matrices of the result's elements; `broadcast` marks inputs that are
  /// one row. The code sees inputs of 16 bits in float32.
  LogicalResult formRows(Operation *op, int64_t rows, int64_t columns, ArrayRef<bool> broadcast,
                         llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> code) {
    auto r = builder.getAffineDimExpr(0), c = builder.getAffineDimExpr(1);
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (auto [operand, isRow] : llvm::zip(op->getOperands(), broadcast)) {
      inputs.push_back(isRow ? reshaped(operand, {columns}) : reshaped(operand, {rows, columns}));
      maps.push_back(isRow ? mapOf(2, {c}) : mapOf(2, {r, c}));
    }
    maps.push_back(mapOf(2, {r, c}));
    auto type = storedAs(op, {rows, columns});
    auto row = kernel::RowOp::create(builder, op->getLoc(), TypeRange(type), inputs,
                                     ArrayRef<int64_t>{rows, columns},
                                     builder.getAffineMapArrayAttr(maps), IntegerAttr());
    {
      OpBuilder::InsertionGuard guard(builder);
      auto types = llvm::map_to_vector(
          inputs, [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); });
      Block *block = builder.createBlock(&row.getBody(), {}, types,
                                         SmallVector<Location>(inputs.size(), op->getLoc()));
      Scalar scalar{builder, op->getLoc()};
      auto elements =
          llvm::map_to_vector(block->getArguments(), [&](Value v) { return scalar.widened(v); });
      Value result = code(builder, op->getLoc(), elements);
      kernel::YieldOp::create(builder, op->getLoc(), result);
    }
    op->getResult(0).replaceAllUsesWith(reshaped(row.getResult(0), nn::shapeOf(op->getResult(0))));
    erased.insert(op);
    return success();
  }

  /// The type of a result of `op` in memory.
  RankedTensorType storedAs(Operation *op, ArrayRef<int64_t> shape) {
    auto type = nn::tensorOf(builder.getContext(), shape);
    auto round = dyn_cast<nn::RoundOp>(op);
    return round && isStored(round.getTo()) ? type.clone(round.getTo()) : type;
  }
  bool isStored(Type rounded) const { return rounded.isF16() ? storeF16 : storeBf16; }

  LogicalResult formElementwise(Operation *op) {
    auto shape = nn::shapeOf(op->getResult(0));
    int64_t columns = shape.empty() ? 1 : shape.back();
    return formRows(op, productOf(shape) / columns, columns,
                    SmallVector<bool>(op->getNumOperands(), false),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      if (auto round = dyn_cast<nn::RoundOp>(op); round && isStored(round.getTo()))
                        return arith::TruncFOp::create(b, loc, round.getTo(), args[0]);
                      return buildElementwise(b, loc, op, args);
                    });
  }

  /// Weights are rounded by a copy, which packing merges with its own: as rows they could end in a
  /// chain over equally many samples.
  LogicalResult formRounding(nn::RoundOp op) {
    if (!isWeight(op.getInput()))
      return formElementwise(op);
    auto type = storedAs(op, nn::shapeOf(op.getResult()));
    return replace(op, kernel::CopyOp::create(
                           builder, op.getLoc(), type, op.getInput(),
                           AffineMapAttr::get(builder.getMultiDimIdentityMap(type.getRank())),
                           op.getToAttr()));
  }

  bool isWeight(Value value) {
    while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
      value = reshape.getInput();
    auto argument = dyn_cast<BlockArgument>(value);
    auto role = argument
                    ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr)
                    : StringAttr();
    return role && role.getValue() == "parameter";
  }

  LogicalResult formAdd(nn::AddOp op) {
    auto shape = nn::shapeOf(op.getResult());
    bool same = op.getLhs().getType() == op.getRhs().getType();
    int64_t columns =
        same ? (shape.empty() ? 1 : shape.back()) : productOf(nn::shapeOf(op.getRhs()));
    return formRows(op, productOf(shape) / columns, columns, {false, !same},
                    [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return arith::AddFOp::create(b, loc, args[0], args[1]);
                    });
  }

  /// Loss, hits and gradient of the logits in one pass over a row.
  LogicalResult formCrossEntropy(nn::CrossEntropyLossOp op) {
    nn::CrossEntropyBackwardOp backward;
    for (Operation *user : op.getLogits().getUsers())
      if (auto candidate = dyn_cast<nn::CrossEntropyBackwardOp>(user))
        backward = candidate;
    auto shape = nn::shapeOf(op.getLogits());
    auto r = builder.getAffineDimExpr(0), c = builder.getAffineDimExpr(1);
    SmallVector<AffineMap> maps{mapOf(2, {r, c}), mapOf(2, {r}),
                                mapOf(2, {builder.getAffineConstantExpr(control::GradientWeight)})};
    maps.append(op->getNumOperands() - 1, mapOf(2, {r})); // labels that are mixed in; loss, hits
    SmallVector<Type> types{op.getLoss().getType(), op.getCorrect().getType()};
    if (backward) {
      maps.push_back(mapOf(2, {r, c}));
      types.push_back(backward.getType());
    }
    auto row = kernel::RowOp::create(builder, op.getLoc(), types, op->getOperands(), shape,
                                     builder.getAffineMapArrayAttr(maps), IntegerAttr());
    OpBuilder::InsertionGuard guard(builder);
    SmallVector<Type> scalars;
    for (Type type : op->getOperandTypes())
      scalars.push_back(cast<RankedTensorType>(type).getElementType());
    Block *block = builder.createBlock(&row.getBody(), {}, scalars,
                                       SmallVector<Location>(scalars.size(), op.getLoc()));
    SmallVector<Value> values =
        buildCrossEntropy(builder, op.getLoc(), block->getArguments(), shape[1],
                          op.getLabelSmoothing().convertToDouble());
    kernel::YieldOp::create(builder, op.getLoc(), ArrayRef(values).take_front(types.size()));
    op.getLoss().replaceAllUsesWith(row.getResult(0));
    op.getCorrect().replaceAllUsesWith(row.getResult(1));
    erased.insert(op);
    if (backward) {
      backward.getResult().replaceAllUsesWith(row.getResult(2));
      erased.insert(backward);
    }
    return success();
  }

  /// Into the epilogue of the contraction that makes the term; a pass over the rows for others.
  LogicalResult formAccumulate(nn::AccumulateOp op) {
    AffineExpr flag = builder.getAffineConstantExpr(control::FirstMicroBatch);
    auto contract = op.getTerm().getDefiningOp<kernel::ContractOp>();
    if (contract && op.getTerm().hasOneUse() && contract.getExtras().empty()) {
      SmallVector<Attribute> maps(contract.getMaps().getValue());
      maps.push_back(maps[kernel::ContractOp::ResultMap]);
      maps.push_back(AffineMapAttr::get(mapOf(contract.getSizes().size(), {flag})));
      contract.getExtrasMutable().assign(ValueRange{op.getSum(), op.getControl()});
      contract.setMapsAttr(builder.getArrayAttr(maps));
      Block &epilogue = contract.getEpilogue().front();
      epilogue.addArguments({builder.getF32Type(), builder.getF32Type()},
                            {op.getLoc(), op.getLoc()});
      OpBuilder inside(epilogue.getTerminator());
      Value term = epilogue.getTerminator()->getOperand(0);
      epilogue.getTerminator()->setOperand(
          0, buildAccumulate(inside, op.getLoc(),
                             {epilogue.getArgument(1), term, epilogue.getArgument(2)}));
      // The term is not written and read; a pass of its own would read the flag, as this does now.
      recordPart(contract, "accumulate", 2 * bytesOf(op.getTerm().getType()));
      return replace(op, contract);
    }
    auto shape = nn::shapeOf(op.getResult());
    int64_t columns = shape.empty() ? 1 : shape.back(), rows = productOf(shape) / columns;
    AffineMap all = mapOf(2, {builder.getAffineDimExpr(0), builder.getAffineDimExpr(1)});
    auto row = kernel::RowOp::create(
        builder, op.getLoc(), TypeRange(nn::tensorOf(builder.getContext(), {rows, columns})),
        ValueRange{reshaped(op.getSum(), {rows, columns}), reshaped(op.getTerm(), {rows, columns}),
                   op.getControl()},
        ArrayRef<int64_t>{rows, columns},
        builder.getAffineMapArrayAttr({all, all, mapOf(2, {flag}), all}), IntegerAttr());
    OpBuilder::InsertionGuard guard(builder);
    Block *block =
        builder.createBlock(&row.getBody(), {}, SmallVector<Type>(3, builder.getF32Type()),
                            SmallVector<Location>(3, op.getLoc()));
    kernel::YieldOp::create(builder, op.getLoc(),
                            buildAccumulate(builder, op.getLoc(), block->getArguments()));
    builder.setInsertionPointAfter(row);
    op.getResult().replaceAllUsesWith(reshaped(row.getResult(0), shape));
    erased.insert(op);
    return success();
  }

  LogicalResult formCopy(Operation *op) {
    unsigned rank = nn::shapeOf(op->getResult(0)).size();
    SmallVector<AffineExpr> exprs(rank);
    for (unsigned i = 0; i < rank; ++i) {
      auto transpose = dyn_cast<nn::TransposeOp>(op);
      exprs[transpose ? transpose.getPermutation()[i] : i] = builder.getAffineDimExpr(i);
    }
    // A slice reads from `low` on; a pad has its input there.
    if (auto low = op->getAttrOfType<DenseI64ArrayAttr>("low"))
      for (auto [expr, offset] : llvm::zip(exprs, low.asArrayRef()))
        expr = expr + (isa<nn::SliceOp>(op) ? offset : -offset);
    return replace(op, kernel::CopyOp::create(builder, op->getLoc(), op->getResult(0).getType(),
                                              op->getOperand(0),
                                              AffineMapAttr::get(mapOf(rank, exprs)), TypeAttr()));
  }

  // --- optimizer --------------------------------------------------------------------------------

  /// The moving average of what an optimizer step updates; null where there is none.
  nn::EmaStepOp averageOf(Operation *step) {
    for (Operation *user : step->getResult(0).getUsers())
      if (auto average = dyn_cast<nn::EmaStepOp>(user))
        return average;
    return {};
  }

  /// One kernel.update per set of equal attributes (with decay, and without).
  void formUpdates() {
    builder.setInsertionPoint(function.front().getTerminator());
    for (auto &[attributes, ops] : updates) {
      SmallVector<Value> parameters, gradients, states;
      UpdateCode code(ops.front(), averageOf(ops.front()));
      unsigned stateCount = code.stateCount(), own = ops.front()->getNumResults() - 1;
      for (Operation *op : ops) {
        parameters.push_back(op->getOperand(0));
        gradients.push_back(op->getOperand(1));
      }
      for (unsigned s = 0; s < stateCount; ++s)
        for (Operation *op : ops)
          states.push_back(s < own ? op->getOperand(4 + s) : averageOf(op).getAverage());
      SmallVector<Value> alike(parameters);
      alike.append(states);
      auto update = kernel::UpdateOp::create(
          builder, ops.front()->getLoc(), TypeRange(ValueRange(alike)), parameters, gradients,
          states, ops.front()->getOperand(2), ops.front()->getOperand(3), code.controlIndices,
          code.metricsIndices);
      recordOperation(update, ops.front()->getName().stripDialect());
      OpBuilder::InsertionGuard guard(builder);
      unsigned scalars = 2 + stateCount + code.controlIndices.size() + code.metricsIndices.size();
      Block *block = builder.createBlock(&update.getBody(), {},
                                         SmallVector<Type>(scalars, builder.getF32Type()),
                                         SmallVector<Location>(scalars, update.getLoc()));
      kernel::YieldOp::create(builder, update.getLoc(),
                              code.build(builder, update.getLoc(), block->getArguments()));
      for (auto [i, op] : llvm::enumerate(ops))
        for (unsigned s = stateCount + 1; s-- > 0;) // the parameter last: the average uses it
          (s <= own ? Value(op->getResult(s)) : Value(averageOf(op).getResult()))
              .replaceAllUsesWith(update.getResult(s * ops.size() + i));
    }
  }

  func::FuncOp function;
  OpBuilder builder;
  bool storeBf16, storeF16; ///< what is rounded has 16 bits in memory
  int64_t mostBf16Group;    ///< see formContract
  TypeAttr attentionProducts;
  llvm::DenseSet<Operation *> erased;
  llvm::MapVector<DictionaryAttr, SmallVector<Operation *>> updates;
};

struct FormKernels : danaus::impl::NNFormKernelsBase<FormKernels> {
  using NNFormKernelsBase::NNFormKernelsBase;

  void runOnOperation() override {
    if (failed(Former(getOperation(), {storeBf16, storeF16, roundAttention, groupBf16}).run()))
      signalPassFailure();
  }
};

} // namespace
