// See EmitTiles.h.
#include "compiler/target/cpu/EmitTiles.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

static Value constant(Emitter &e, Type type, int64_t value) {
  return LLVM::ConstantOp::create(e.b, e.loc, type, e.b.getIntegerAttr(type, value));
}
static Value tileOf(Emitter &e, int64_t number) { return constant(e, e.b.getI8Type(), number); }
static Value bytesOf(Emitter &e, int64_t count) { return constant(e, e.b.getI64Type(), count); }

void TileCode::intrinsic(StringRef name, ValueRange arguments) {
  LLVM::CallIntrinsicOp::create(e.b, e.loc, e.b.getStringAttr(name), arguments);
}

void TileCode::zero(int64_t tile) { intrinsic("llvm.x86.tilezero", {tileOf(e, tile)}); }
void TileCode::load(int64_t tile, Value address, int64_t stride) {
  intrinsic("llvm.x86.tileloadd64", {tileOf(e, tile), pointerAt(address), bytesOf(e, stride)});
}
void TileCode::store(int64_t tile, Value address, int64_t stride) {
  intrinsic("llvm.x86.tilestored64", {tileOf(e, tile), pointerAt(address), bytesOf(e, stride)});
}
void TileCode::multiply(int64_t sum, int64_t lhs, int64_t rhs) {
  intrinsic("llvm.x86.tdpbf16ps", {tileOf(e, sum), tileOf(e, lhs), tileOf(e, rhs)});
}

/// Palette 1; then bytes per row, and rows, of 8 tiles.
void TileCode::configure(int64_t rows, Value floats, Value place) {
  int64_t low = std::min(rows, MatrixTile), high = std::max<int64_t>(rows - low, 1);
  int64_t rowsOf[8] = {low, low, high, high, low, high, MatrixTile, MatrixTile};
  uint8_t config[64] = {1};
  for (int i = 0; i < 8; ++i) {
    config[16 + 2 * i] = 64;
    config[48 + i] = uint8_t(rowsOf[i]);
  }
  SmallVector<int32_t> words(16);
  std::memcpy(words.data(), config, sizeof(config));
  auto type = VectorType::get({16}, e.b.getI32Type());
  Value value =
      arith::ConstantOp::create(e.b, e.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(words)));
  value = vector::BitCastOp::create(e.b, e.loc, e.floats(), value);
  vector::StoreOp::create(e.b, e.loc, value, floats, place);
  intrinsic("llvm.x86.ldtilecfg", {pointerAt(addressOf(floats, place))});
}

Value TileCode::addressOf(Value buffer, Value offset) {
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, buffer);
  int64_t size = cast<MemRefType>(buffer.getType()).getElementTypeBitWidth() / 8;
  return e.add(base, e.mul(offset, size));
}

Value TileCode::pointerAt(Value address) {
  Value number = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(e.b, e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), number);
}

BlockEpilogue::BlockEpilogue(Emitter &e, kernel::ContractOp op, ViewOf viewOf)
    : e(e), op(op), columns(op.getSizes()[op.getN()]), group(op.getGroup()),
      byMember(resultsLieByMember(op)) {
  auto operand = [&](Value value, unsigned map) {
    return operandOf(value, op.getMap(map), op.getSizes(), op.getM(), viewOf);
  };
  for (Value result : op.getResults())
    results.push_back(operand(result, kernel::ContractOp::ResultMap));
  for (auto [i, extra] : llvm::enumerate(op.getExtras()))
    extras.push_back(operand(extra, kernel::ContractOp::FirstExtraMap + i));
}

int64_t BlockEpilogue::slabCount() const { return llvm::divideCeil(columns, BlockColumns * group); }
int64_t BlockEpilogue::tileCount() const { return llvm::divideCeil(columns, MatrixTile * group); }

void BlockEpilogue::forSlabs(Value first, int64_t count,
                             llvm::function_ref<void(Value, int64_t, bool)> body) {
  bool lastDiffers = columns % (BlockColumns * group) != 0;
  int64_t whole = lastDiffers ? slabCount() - 1 : slabCount();
  Value end = arith::MinUIOp::create(e.b, e.loc, e.add(first, e.index(count)), e.index(whole));
  if (whole > 0)
    e.loop(first, end, 1, [&](Value slab) { body(slab, 2, false); });
  if (!lastDiffers)
    return;
  auto last = [&] { body(e.index(whole), tileCount() - 2 * whole, true); };
  if (count >= slabCount())
    return last();
  Value holdsLast = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ugt,
                                          e.add(first, e.index(count)), e.index(whole));
  auto branch = scf::IfOp::create(e.b, e.loc, holdsLast, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  last();
}

void BlockEpilogue::emitRow(ArrayRef<Value> row, Value slab, int64_t tiles, bool isLast,
                            Value floats, llvm::function_ref<Value(int64_t g, int64_t c)> sumsOf) {
  SmallVector<Value> at(row);
  int64_t begin = (slabCount() - 1) * BlockColumns * group; // of the last slab
  int64_t whole = isLast ? (columns - begin) / MatrixTile : tiles * group;
  for (int64_t c = 0; c < tiles; ++c) {
    SmallVector<Value> sums;
    for (int64_t g = 0; g < group; ++g)
      sums.push_back(vector::LoadOp::create(e.b, e.loc, e.floats(), floats, sumsOf(g, c)));
    if (byMember) {
      int64_t first = ((slabCount() - 1) * 2 + c) * MatrixTile, all = columns / group;
      for (int64_t g = 0; g < group && (!isLast || first < all); ++g) {
        at[op.getN()] =
            e.add(e.mul(slab, BlockColumns * group), e.index(c * MatrixTile * group + g));
        finishMember(at, sums[g], isLast ? std::min(all - first, MatrixTile) : MatrixTile);
      }
      continue;
    }
    interleaveLanes(e, sums);
    for (int64_t g = 0; g < group; ++g) {
      int64_t number = c * group + g, column = number * MatrixTile;
      std::optional<int64_t> limit;
      if (isLast) {
        if (begin + column >= columns)
          break;
        if (begin + column + MatrixTile > columns)
          limit = columns;
      }
      at[op.getN()] = e.add(e.mul(slab, BlockColumns * group), e.index(column));
      Half half = number >= whole / 2 * 2 ? Half::Alone : number % 2 ? Half::Second : Half::First;
      finish(at, sums[g], limit, half);
    }
  }
}

void BlockEpilogue::fetchRows(ArrayRef<Value> point, Value row, Value slab, int64_t tiles,
                              Value step, int64_t steps) {
  SmallVector<Value> at(point);
  at[op.getN()] = e.mul(slab, BlockColumns * group);
  int64_t perStep = llvm::divideCeil(BlockRows, steps);
  for (const Operand &extra : extras) {
    if (!extra.access.offset.uses(op.getM()) ||
        extra.access.along(op.getN()) != Access::Motion::Unit)
      continue;
    int64_t perLine = cacheLine * 8 / extra.element.getIntOrFloatBitWidth();
    for (int64_t i = 0; i < perStep; ++i) {
      at[op.getM()] = e.add(row, e.add(e.mul(step, perStep), e.index(i)));
      Value first = e.offsetOf(extra, at);
      for (int64_t column = 0; column < tiles * group * MatrixTile; column += perLine)
        e.prefetch(extra.view.memory, e.add(first, e.index(column)), false, 2);
    }
  }
}

void BlockEpilogue::finish(ArrayRef<Value> at, Value sum, std::optional<int64_t> limit, Half half) {
  unsigned n = op.getN();
  SmallVector<Value> arguments{sum};
  for (const Operand &extra : extras)
    arguments.push_back(e.loadVector(extra, at, n));
  auto values = e.vectorise(op.getEpilogue().front(), arguments);
  SmallVector<Value> before(at); // the first half of a pair
  before[n] = e.sub(at[n], e.index(MatrixTile));
  for (auto [i, result] : llvm::enumerate(results))
    if (half == Half::Alone || !e.isStreamed(result, n, 2))
      e.storeVector(result, at, n, values[i], e.mask(result, at, n, limit));
    else if (half == Half::Second)
      e.streamPair(result, before, firstHalves[i], values[i]);
  firstHalves = values;
}

/// Whether 16 results of a member are a cache line that may be stored around the caches.
bool BlockEpilogue::memberIsStreamed() const {
  auto isWhole = [](int64_t elements) { return elements % MatrixTile == 0; };
  const AccessSum &offset = results[0].access.offset;
  return results[0].view.isStreamed && results[0].element.isF32() &&
         isWhole(results[0].view.base + offset.constant) &&
         llvm::all_of(offset.terms, [&](const AccessTerm &term) {
           return term.kind == AccessTerm::Div || isWhole(term.coefficient);
         });
}

/// 16 results of one member of the group, which are neighbours in memory; `lanes` of them are
/// there.
void BlockEpilogue::finishMember(ArrayRef<Value> at, Value sum, int64_t lanes) {
  Value value = e.vectorise(op.getEpilogue().front(), {sum})[0];
  Value offset = e.offsetOf(results[0], at);
  if (lanes == MatrixTile) {
    bool passesCache = memberIsStreamed();
    vector::StoreOp::create(e.b, e.loc, value, results[0].view.memory, offset, passesCache,
                            passesCache ? llvm::MaybeAlign(cacheLine) : std::nullopt);
    return;
  }
  Value mask = vector::CreateMaskOp::create(e.b, e.loc, e.vectorOf(e.b.getI1Type()),
                                            ValueRange{e.index(lanes)});
  vector::MaskedStoreOp::create(e.b, e.loc, results[0].view.memory, offset, mask, value);
}

SmallVector<Value> danaus::cpu::pointOfBatch(Emitter &e, kernel::ContractOp op, Value batch) {
  SmallVector<Value> point(op.getSizes().size(), e.index(0));
  for (unsigned i = op.getNumBatch(); i-- > 0;) {
    point[i] = e.rem(batch, op.getSizes()[i]);
    batch = e.div(batch, op.getSizes()[i]);
  }
  return point;
}

Value danaus::cpu::packedBatch(Emitter &e, kernel::ContractOp op, ArrayRef<Value> point,
                               unsigned own) {
  Value result = e.index(0);
  auto places = op.getMap(kernel::ContractOp::RhsMap).getResults().drop_back(own);
  for (AffineExpr place : places) {
    unsigned dim = cast<AffineDimExpr>(place).getPosition();
    result = e.add(e.mul(result, op.getSizes()[dim]), point[dim]);
  }
  return result;
}
