// See SplitStage.h.
#include "compiler/target/cpu/SplitStage.h"

#include "compiler/target/cpu/SplitTerms.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

/// How many steps of K are added up before sums go to scratch and back. Of float32 so many that of
/// both operands stay in the first-level cache beside what passes through: 12 KiB each. Of bfloat16
/// as many of 32 rows and of 32 columns (16 KiB each), and of all a quarter of the second-level
/// cache at most.
static int64_t mostDepths(int64_t terms, int64_t bytesOfStep) {
  constexpr int64_t split = 2, least = 2, most = 8, cache = 512 * 1024;
  return terms > 1 ? split : std::clamp(cache / bytesOfStep, least, most);
}

/// Columns of a block: with their stretch of the rhs and 64 rows of sums half a second-level cache.
static constexpr int64_t mostColumns = 768;

/// Steps of K of all slabs of a block that stay in the second-level cache: 6 KiB each.
static constexpr int64_t mostSteps = 144;

SplitScratch::SplitScratch(kernel::ContractOp op) {
  auto sizes = op.getSizes(), tiles = *op.getTile();
  group = op.getGroup();
  terms = termCountOf(op);
  depths = llvm::divideCeil(sizes[op.getK()], MatrixDepth);
  rows = std::min<int64_t>(tiles[2], llvm::alignTo(sizes[op.getM()], BlockRows));
  splitsRight = op.isBlocked();
  int64_t allSlabs = llvm::divideCeil(sizes[op.getN()], BlockColumns * group);
  slabs = std::min<int64_t>(
      allSlabs, splitsRight ? tiles[3] : std::max<int64_t>(mostColumns / BlockColumns / group, 1));
  bool allStay = !splitsRight && slabs * group * depths <= mostSteps;
  int64_t stagedRows = terms == 1 ? llvm::alignTo(rows, BlockRows) : BlockRows;
  int64_t most = mostDepths(terms, 2 * MatrixDepth * group * (stagedRows + slabs * BlockColumns));
  depthsAtOnce = llvm::divideCeil(depths, allStay ? 1 : llvm::divideCeil(depths, most));
  depthsAhead = terms == 1 ? llvm::divideCeil(depthsAtOnce, 4) : depthsAtOnce;
  left = 16;
  right = left + group * depthsAtOnce * step() * stagedRows / BlockRows;
  sums = right + (splitsRight ? slabs * group * depthsAtOnce * step() : 0);
  size = sums + (isWhole() ? BlockRows : rows * slabs) * group * BlockColumns;
}

Value SplitStage::leftPlace(Value g, int64_t rowTile, Value block) {
  int64_t rowTiles = layout.depthsAtOnce * layout.step();
  Value place =
      e.add(e.index(2 * (memory.place + layout.left) + rowTile * rowTiles), e.mul(g, 2 * rowTiles));
  return block ? e.add(place, e.mul(block, layout.group * 2 * rowTiles)) : place;
}

Value SplitStage::rightPlace(Value columnTile, Value g) {
  return e.add(
      e.index(2 * (memory.place + layout.right)),
      e.mul(e.add(e.mul(columnTile, layout.group), g), layout.depthsAtOnce * layout.step()));
}

void SplitStage::forDepths(Value depth, Value count,
                           llvm::function_ref<void(Value d, Value k, bool isEnd)> body) {
  e.loop(e.index(0), count, 1, [&](Value d) {
    Value own = e.add(depth, d), k = e.mul(own, MatrixDepth);
    if (op.getSizes()[op.getK()] % MatrixDepth == 0)
      return body(d, k, false);
    auto branch = scf::IfOp::create(e.b, e.loc, e.equal(own, layout.depths - 1),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    body(d, k, true);
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    body(d, k, false);
  });
}

/// Vector `part` of as many neighbours as the group has members; elements from `limit` on are 0.
Value SplitStage::loadPart(const Operand &operand, ArrayRef<Value> at, int64_t part, Value limit) {
  Value first = e.index(part * MatrixTile);
  if (limit)
    limit = arith::MaxSIOp::create(e.b, e.loc, e.sub(limit, first), e.index(0));
  return loadFloats(e, operand.view.memory, e.add(e.offsetOf(operand, at), first), limit);
}

/// All of them.
SmallVector<Value> SplitStage::loadNeighbours(const Operand &operand, ArrayRef<Value> at,
                                              Value limit) {
  SmallVector<Value> vectors;
  for (int64_t part = 0; part < layout.group; ++part)
    vectors.push_back(loadPart(operand, at, part, limit));
  return vectors;
}

void SplitStage::splitLeft(ArrayRef<Value> point, Value row, int64_t rows, Value depth,
                           Value count) {
  for (int64_t tile = 0; tile * MatrixTile < rows; ++tile) {
    Value first = e.add(row, e.index(tile * MatrixTile));
    SmallVector<Value> at(point);
    if (form == MatrixLhs::Columns) {
      at[op.getM()] = first;
      forDepths(depth, count,
                [&](Value d, Value k, bool isEnd) { splitColumns(at, tile, d, k, isEnd); });
      continue;
    }
    int64_t own = std::min(rows - tile * MatrixTile, MatrixTile);
    e.loop(e.index(0), e.index(own), 1, [&](Value r) {
      at[op.getM()] = e.add(first, r);
      Value into = e.add(leftPlace(e.index(0), tile), e.mul(r, MatrixDepth));
      e.loop(e.index(0), count, 1,
             [&](Value d) { splitRow(at, into, d, e.mul(e.add(depth, d), MatrixDepth)); });
    });
  }
}

/// 32 of K of one row, for each member of the group.
void SplitStage::splitRow(ArrayRef<Value> row, Value into, Value d, Value k) {
  SmallVector<Value> at(row);
  int64_t group = layout.group, size = op.getSizes()[op.getK()];
  SmallVector<Value> halves[2];
  for (int64_t half = 0; half < 2; ++half) {
    at[op.getK()] = e.add(k, e.index(half * MatrixTile));
    Value limit;
    if (size % MatrixDepth != 0)
      limit = e.mul(e.sub(e.index(size), at[op.getK()]), group);
    halves[half] = everyNth(e, loadNeighbours(lhs, at, limit));
  }
  for (int64_t g = 0; g < group; ++g) {
    Value own = e.index(g * 2 * layout.depthsAtOnce * layout.step());
    storeTerms(e, halves[0][g], halves[1][g], memory.halves,
               e.add(e.add(into, own), e.mul(d, layout.step())), SplitScratch::tile);
  }
}

/// How many elements from `first` of a dimension on there are (times the group) in row `k` of an
/// operand; null where there are always enough.
Value SplitStage::limitOf(unsigned dim, Value first, Value k, bool isEnd) {
  int64_t size = op.getSizes()[dim],
          unit = dim == op.getM() ? MatrixTile : MatrixTile * layout.group;
  Value limit;
  if (isEnd || size % unit != 0)
    limit = dim == op.getM() ? e.mul(e.sub(e.index(size), first), layout.group)
                             : e.sub(e.index(size), first);
  if (!isEnd)
    return limit;
  Value inside = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, k,
                                       e.index(op.getSizes()[op.getK()]));
  return arith::SelectOp::create(e.b, e.loc, inside, limit, e.index(0));
}

/// 16 rows that lie side by side, by 32 of K: turned in registers. Of a group, whose members are
/// neighbours, 16 numbers of one k are turned as they lie, and then are `16 / group` rows of each.
void SplitStage::splitColumns(ArrayRef<Value> tile, int64_t rowTile, Value d, Value k, bool isEnd) {
  SmallVector<Value> at(tile);
  for (int64_t part = 0; part < layout.group; ++part) {
    SmallVector<Value> halves[2];
    for (int64_t i = 0; i < MatrixDepth; ++i) {
      at[op.getK()] = e.add(k, e.index(i));
      Value limit = limitOf(op.getM(), at[op.getM()], at[op.getK()], isEnd);
      halves[i / MatrixTile].push_back(loadPart(lhs, at, part, limit));
    }
    interleaveLanes(e, halves[0]);
    interleaveLanes(e, halves[1]);
    for (int64_t i = 0; i < MatrixTile; ++i) {
      int64_t number = part * MatrixTile + i, row = number / layout.group;
      Value into =
          e.add(leftPlace(e.index(number % layout.group), rowTile), e.mul(d, layout.step()));
      storeTerms(e, halves[0][i], halves[1][i], memory.halves,
                 e.add(into, e.index(row * MatrixDepth)), SplitScratch::tile);
    }
  }
}

void SplitStage::splitRight(ArrayRef<Value> point, Value slab, int64_t tiles, Value place,
                            Value depth, Value count) {
  for (int64_t c = 0; c < tiles; ++c)
    forDepths(depth, count, [&](Value d, Value k, bool isEnd) {
      SmallVector<Value> at(point);
      at[op.getN()] =
          e.add(e.mul(slab, BlockColumns * layout.group), e.index(c * MatrixTile * layout.group));
      splitPairs(at, e.add(e.mul(place, 2), e.index(c)), d, k, isEnd);
    });
}

/// 16 columns of each member of the group, by 16 pairs of K, k and k + 16.
void SplitStage::splitPairs(ArrayRef<Value> tile, Value columnTile, Value d, Value k, bool isEnd) {
  e.loop(e.index(0), e.index(MatrixTile), 1, [&](Value i) {
    SmallVector<Value> at(tile), pair[2];
    for (int64_t half = 0; half < 2; ++half) {
      at[op.getK()] = e.add(k, e.add(i, e.index(half * MatrixTile)));
      Value limit = limitOf(op.getN(), at[op.getN()], at[op.getK()], isEnd);
      pair[half] = everyNth(e, loadNeighbours(rhs, at, limit));
    }
    for (int64_t g = 0; g < layout.group; ++g) {
      Value into = e.add(rightPlace(columnTile, e.index(g)),
                         e.add(e.mul(d, layout.step()), e.mul(i, MatrixDepth)));
      storeTerms(e, pair[0][g], pair[1][g], memory.halves, into, SplitScratch::tile);
    }
  });
}
