// Index arithmetic, vector memory access and the vectorisation of scalar regions.
#include "compiler/target/cpu/Emitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

Value Emitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
Value Emitter::add(Value a, Value c) { return b.createOrFold<arith::AddIOp>(loc, a, c); }
Value Emitter::sub(Value a, Value c) { return b.createOrFold<arith::SubIOp>(loc, a, c); }
Value Emitter::mul(Value a, int64_t c) { return b.createOrFold<arith::MulIOp>(loc, a, index(c)); }
Value Emitter::div(Value a, int64_t c) { return b.createOrFold<arith::DivUIOp>(loc, a, index(c)); }
Value Emitter::rem(Value a, int64_t c) { return b.createOrFold<arith::RemUIOp>(loc, a, index(c)); }
Value Emitter::equal(Value a, int64_t c) {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, a, index(c));
}

Value Emitter::evaluate(const AccessSum &sum, ValueRange point) {
  Value result = index(sum.constant);
  for (const AccessTerm &term : sum.terms) {
    Value v = point[term.dim];
    if (term.kind == AccessTerm::Mod)
      v = rem(v, term.group);
    else if (term.kind == AccessTerm::Div)
      v = div(v, term.group);
    result = add(result, mul(v, term.coefficient));
  }
  return result;
}

Value Emitter::evaluateLanes(const AccessSum &sum, ValueRange point, unsigned lane) {
  AccessSum still;
  still.constant = sum.constant;
  SmallVector<AccessTerm> moving;
  for (const AccessTerm &term : sum.terms)
    if (term.dim == lane)
      moving.push_back(term);
    else
      still.terms.push_back(term);
  Type i32 = b.getI32Type();
  auto type = vectorOf(i32);
  auto narrow = [&](Value v) { return splat(b.createOrFold<arith::IndexCastOp>(loc, i32, v)); };
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, b.getI32IntegerAttr(v)));
  };
  SmallVector<int32_t> steps;
  for (int32_t i = 0; i < width(); ++i)
    steps.push_back(i);
  Value lanes =
      arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(steps)));
  lanes = arith::AddIOp::create(b, loc, lanes, narrow(point[lane]));
  Value result = narrow(evaluate(still, point));
  for (const AccessTerm &term : moving) {
    Value v = lanes;
    if (term.kind == AccessTerm::Mod)
      v = arith::RemUIOp::create(b, loc, v, constant(term.group));
    else if (term.kind == AccessTerm::Div)
      v = arith::DivUIOp::create(b, loc, v, constant(term.group));
    result = arith::AddIOp::create(b, loc, result,
                                   arith::MulIOp::create(b, loc, v, constant(term.coefficient)));
  }
  return result;
}

Value Emitter::splat(Value scalar) {
  return vector::BroadcastOp::create(b, loc, vectorOf(scalar.getType()), scalar);
}

Value Emitter::zero(Type element) {
  auto type = vectorOf(element);
  return arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
}

Value Emitter::multiplyAdd(Value a, Value c, Value sum) {
  if (isa.fma)
    return vector::FMAOp::create(b, loc, a, c, sum);
  return arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, a, c), sum);
}

namespace {
/// The point as the view counts it: rows from its first.
SmallVector<Value> pointIn(Emitter &emitter, const Operand &operand, ValueRange point) {
  SmallVector<Value> own(point);
  if (operand.view.firstRow && operand.access.offset.uses(operand.rowDim))
    own[operand.rowDim] = emitter.sub(point[operand.rowDim], operand.view.firstRow);
  return own;
}
} // namespace

Value Emitter::offsetOf(const Operand &operand, ValueRange point) {
  AccessSum sum = operand.access.offset;
  sum.constant += operand.view.base;
  return evaluate(sum, pointIn(*this, operand, point));
}

Value Emitter::loadScalar(const Operand &operand, ValueRange point) {
  return memref::LoadOp::create(b, loc, operand.view.memory, offsetOf(operand, point));
}

Value Emitter::loadVector(const Operand &operand, ValueRange point, unsigned lane) {
  auto type = vectorOf(operand.element);
  switch (operand.access.along(lane)) {
  case Access::Motion::None:
    return splat(loadScalar(operand, point));
  case Access::Motion::Unit:
    return vector::LoadOp::create(b, loc, type, operand.view.memory, offsetOf(operand, point));
  default:
    break;
  }
  Value offsets = evaluateLanes(operand.access.offset, pointIn(*this, operand, point), lane);
  auto maskType = vectorOf(b.getI1Type());
  Value all = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(maskType, true));
  return vector::GatherOp::create(b, loc, type, operand.view.memory,
                                  ValueRange(index(operand.view.base)), offsets, all,
                                  zero(operand.element));
}

Value Emitter::mask(const Operand &operand, ValueRange point, unsigned lane,
                    std::optional<int64_t> limit) {
  Value result;
  auto meet = [&](Value condition) {
    result = result ? arith::AndIOp::create(b, loc, result, condition).getResult() : condition;
  };
  auto below = [&](const AccessSum &sum, int64_t extent) {
    Value values = evaluateLanes(sum, point, lane);
    Value bound = arith::ConstantOp::create(
        b, loc,
        DenseElementsAttr::get(cast<VectorType>(values.getType()), b.getI32IntegerAttr(extent)));
    // Unsigned: an index below 0 is outside too.
    meet(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, values, bound));
  };
  for (const AccessGuard &guard : operand.access.guards)
    below(guard.sum, guard.extent);
  if (limit) {
    AccessSum self;
    self.add({AccessTerm::Plain, lane, 1, 1});
    below(self, *limit);
  }
  return result;
}

bool Emitter::isStreamed(const Operand &operand, unsigned lane, int64_t vectors) const {
  int64_t line = vectors * width();
  auto isWhole = [&](int64_t elements) { return elements % line == 0; };
  return operand.view.isStreamed &&
         line * operand.element.getIntOrFloatBitWidth() == 8 * cacheLine &&
         operand.access.along(lane) == Access::Motion::Unit && operand.access.guards.empty() &&
         isWhole(operand.view.base + operand.access.offset.constant) &&
         llvm::all_of(operand.access.offset.terms, [&](const AccessTerm &term) {
           return term.dim == lane || isWhole(term.coefficient);
         });
}

void Emitter::storeVector(const Operand &operand, ValueRange point, unsigned lane, Value value,
                          Value mask) {
  if (operand.access.along(lane) == Access::Motion::Unit) {
    Value offset = offsetOf(operand, point);
    bool passesCache = isStreamed(operand, lane);
    if (mask)
      vector::MaskedStoreOp::create(b, loc, operand.view.memory, offset, mask, value);
    else
      vector::StoreOp::create(b, loc, value, operand.view.memory, offset, passesCache,
                              passesCache ? llvm::MaybeAlign(cacheLine) : std::nullopt);
    return;
  }
  Value offsets = evaluateLanes(operand.access.offset, pointIn(*this, operand, point), lane);
  if (!mask)
    mask = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vectorOf(b.getI1Type()), true));
  vector::ScatterOp::create(b, loc, Type(), operand.view.memory,
                            ValueRange(index(operand.view.base)), offsets, mask, value);
}

void Emitter::streamPair(const Operand &operand, ValueRange point, Value first, Value second) {
  auto both = llvm::to_vector(llvm::seq<int64_t>(0, 2 * width()));
  Value line = vector::ShuffleOp::create(b, loc, first, second, both);
  // As float32: LLVM has no such store of 16-bit floats, and would store into the cache. The fence,
  // which is no code, keeps it from undoing that.
  line = vector::BitCastOp::create(b, loc, floats(), line);
  line = LLVM::CallIntrinsicOp::create(b, loc, floats(), b.getStringAttr("llvm.arithmetic.fence"),
                                       ValueRange{line})
             .getResult(0);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, operand.view.memory);
  Value address = arith::IndexCastOp::create(b, loc, b.getI64Type(),
                                             add(base, mul(offsetOf(operand, point), 2)));
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  LLVM::StoreOp::create(b, loc, line, LLVM::IntToPtrOp::create(b, loc, pointer, address), cacheLine,
                        /*isVolatile=*/false, /*isNonTemporal=*/true);
}

Panel Emitter::panel(Value call, int64_t rows, int64_t perCall) {
  int64_t calls = Panel::count(rows, perCall);
  if (calls == 1)
    return {index(0), rows, rows, Value()};
  int64_t last = rows - (calls - 1) * perCall;
  Value isLast = last == perCall ? Value() : equal(call, calls - 1);
  return {mul(call, perCall), perCall, last, isLast};
}

void Emitter::forRows(const Panel &panel, int64_t group,
                      llvm::function_ref<void(Value, int64_t)> body) {
  int64_t fullGroups = panel.full / group * group, lastGroups = panel.last / group * group;
  Value end = index(fullGroups);
  if (panel.isLast && fullGroups != lastGroups)
    end = arith::SelectOp::create(b, loc, panel.isLast, index(lastGroups), end);
  if (!panel.isLast && fullGroups == group)
    body(panel.begin, group);
  else if (fullGroups || lastGroups)
    loop(index(0), end, group, [&](Value i) { body(add(panel.begin, i), group); });
  auto rest = [&](int64_t groups, int64_t count) {
    if (count % group)
      body(add(panel.begin, index(groups)), count % group);
  };
  if (!panel.isLast)
    return rest(fullGroups, panel.full);
  if (panel.full % group == 0 && panel.last % group == 0)
    return;
  auto branch = scf::IfOp::create(b, loc, panel.isLast, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  rest(lastGroups, panel.last);
  b.setInsertionPoint(branch.elseBlock()->getTerminator());
  rest(fullGroups, panel.full);
}

void Emitter::loop(int64_t count, llvm::function_ref<void(Value)> body) {
  if (count == 1)
    return body(index(0));
  if (count > 1)
    loop(index(0), index(count), 1, body);
}

void Emitter::loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value>
Emitter::loopOverSums(Value count, ValueRange sums,
                      llvm::function_ref<SmallVector<Value>(Value, ValueRange)> step,
                      llvm::function_ref<void(Value)> turn) {
  constexpr int64_t unroll = stepsPerTurn;
  auto loop = [&](Value from, Value to, int64_t steps, ValueRange sums) -> SmallVector<Value> {
    auto loop = scf::ForOp::create(b, loc, from, to, index(steps), sums);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> next(loop.getRegionIterArgs());
    if (turn && steps == unroll)
      turn(div(loop.getInductionVar(), unroll));
    for (int64_t i = 0; i < steps; ++i)
      next = step(add(loop.getInductionVar(), index(i)), next);
    scf::YieldOp::create(b, loc, next);
    return SmallVector<Value>(loop.getResults());
  };
  std::optional<int64_t> known = getConstantIntValue(count);
  if (known && *known < unroll)
    return loop(index(0), count, 1, sums);
  Value whole = mul(div(count, unroll), unroll);
  SmallVector<Value> result = loop(index(0), whole, unroll, sums);
  return known && *known % unroll == 0 ? result : loop(whole, count, 1, result);
}

void Emitter::prefetch(Value memory, Value offset, bool isWrite, unsigned level) {
  memref::PrefetchOp::create(b, loc, memory, offset, isWrite, 4 - level, true);
}

Value Emitter::widened(Value value) {
  if (!getElementTypeOrSelf(value.getType()).isBF16())
    return value;
  Type wide = b.getF32Type();
  if (auto type = dyn_cast<VectorType>(value.getType()))
    wide = type.clone(wide);
  return arith::ExtFOp::create(b, loc, wide, value);
}

Value Emitter::vectorise(Operation &op, IRMapping &mapping) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto type = vectorOf(constant.getType());
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, constant.getValue()));
  }
  OperationState state(loc, op.getName());
  for (Value operand : op.getOperands())
    state.operands.push_back(mapping.lookup(operand));
  for (Type type : op.getResultTypes())
    state.types.push_back(vectorOf(type));
  state.addAttributes(llvm::to_vector(op.getDiscardableAttrs()));
  if (Attribute properties = op.getPropertiesAsAttribute())
    state.propertiesAttr = properties;
  return b.create(state)->getResult(0);
}

SmallVector<Value> Emitter::vectorise(Block &block, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator())
    mapping.map(op.getResult(0), vectorise(op, mapping));
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value v) { return mapping.lookup(v); });
}

Operand danaus::cpu::operandOf(Value tensor, AffineMap map, ArrayRef<int64_t> sizes,
                               unsigned rowDim, ViewOf viewOf) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto access = Access::of(map, type.getShape(), sizes);
  assert(access && "kernel maps are sums of terms");
  return {viewOf(tensor), *access, rowDim, type.getElementType()};
}

void danaus::cpu::interleaveLanes(Emitter &e, SmallVectorImpl<Value> &vectors) {
  int64_t width = e.width(), half = vectors.size() / 2;
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < width; ++i) {
    low.push_back(i / 2 + (i % 2) * width);
    high.push_back(width / 2 + i / 2 + (i % 2) * width);
  }
  for (int64_t round = 1; round <= half; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < half; ++i) {
      next.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + half], low));
      next.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + half], high));
    }
    vectors.assign(next.begin(), next.end());
  }
}
