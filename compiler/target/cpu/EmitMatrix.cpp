// kernel.contract on AMX: two by two tiles of 16 x 16 sums (tmm0 to tmm3), fed by two tiles of the
// lhs (tmm4, tmm5: 16 rows of 32 bfloat16) and two of the rhs (tmm6, tmm7: 16 pairs of K by 16
// columns). The sums go to the call's scratch, where the epilogue takes them up as vectors. A
// group's results are interleaved there; its lhs is taken apart, row by row, before.
#include "compiler/target/cpu/EmitMatrix.h"

#include "compiler/lower/MatrixUnit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

constexpr int64_t BlockRows = 2 * MatrixTile, BlockColumns = 2 * MatrixTile;
constexpr int64_t LhsTiles = 4, RhsTiles = 6; ///< numbers of their first tiles; sums are 0 to 3

/// A call's scratch, in float32 elements from `place` on: the configuration of the tiles, the sums
/// (group, 32, 32), and 32 rows of the lhs where they have to be staged.
struct MatrixScratch {
  explicit MatrixScratch(kernel::ContractOp op) {
    int64_t group = op.getGroup(), depth = op.getSizes()[op.getK()];
    depths = llvm::divideCeil(depth, MatrixDepth);
    sums = 16;
    staged = sums + group * BlockRows * BlockColumns;
    stagesAll = group > 1;
    stagedDepths = stagesAll ? depths : depth % MatrixDepth != 0 ? 1 : 0;
    size = staged + group * BlockRows * stagedDepths * MatrixDepth / 2;
  }
  int64_t depths, stagedDepths; ///< of all of K, of what is staged, in steps of 32
  bool stagesAll;               ///< or only the short end of K
  int64_t sums, staged, size;
};

class MatrixEmitter {
public:
  MatrixEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, MatrixMemory memory)
      : e(e), op(op), memory(memory), layout(op), sizes(op.getSizes()), m(op.getM()), n(op.getN()),
        k(op.getK()), group(op.getGroup()) {
    auto operand = [&](Value value, unsigned map) {
      return operandOf(value, op.getMap(map), sizes, m, viewOf);
    };
    lhs = operand(op.getLhs(), kernel::ContractOp::LhsMap);
    rhs = viewOf(op.getRhs()).memory;
    for (Value result : op.getResults())
      results.push_back(operand(result, kernel::ContractOp::ResultMap));
    for (auto [i, extra] : llvm::enumerate(op.getExtras()))
      extras.push_back(operand(extra, kernel::ContractOp::FirstExtraMap + i));
  }

  int64_t batchCount() const { return llvm::product_of(sizes.drop_back(3)); }
  int64_t slabCount() const { return llvm::divideCeil(sizes[n], BlockColumns * group); }

  /// The slabs of columns from `first` on, `count` at most, of one batch, for a panel of rows.
  void emitSlabs(Value batch, Value first, int64_t count, const Panel &panel) {
    enter(batch);
    auto blocks = [&](llvm::function_ref<void(Value, int64_t)> body) {
      e.forRows(panel, BlockRows, body);
    };
    if (layout.stagesAll) { // once for all slabs
      blocks([&](Value row, int64_t rows) {
        stageGroups(row, rows);
        forSlabs(first, count, [&](Value slab, int64_t tiles, bool isLast) {
          emitBlock(slab, tiles, isLast, row, rows);
        });
      });
      return;
    }
    forSlabs(first, count, [&](Value slab, int64_t tiles, bool isLast) {
      blocks([&](Value row, int64_t rows) {
        if (layout.stagedDepths)
          stageEnd(row, rows);
        emitBlock(slab, tiles, isLast, row, rows);
      });
    });
  }

  /// After the last product of a call.
  void release() { intrinsic("llvm.x86.tilerelease", {}); }

private:
  /// Tiles of columns in all.
  int64_t tileCount() const { return llvm::divideCeil(sizes[n], MatrixTile * group); }

  void forSlabs(Value first, int64_t count,
                llvm::function_ref<void(Value slab, int64_t tiles, bool isLast)> body) {
    bool lastDiffers = sizes[n] % (BlockColumns * group) != 0;
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

  /// Chooses the batch; the places for M, N and K are 0.
  void enter(Value batch) {
    point.assign(sizes.size(), e.index(0));
    for (unsigned i = op.getNumBatch(); i-- > 0;) {
      point[i] = e.rem(batch, sizes[i]);
      batch = e.div(batch, sizes[i]);
    }
    // The packed rhs has a place for each batch dimension that it depends on, then 5 of its own.
    rhsBatch = e.index(0);
    auto places = op.getMap(kernel::ContractOp::RhsMap).getResults().drop_back(5);
    for (AffineExpr place : places) {
      unsigned dim = cast<AffineDimExpr>(place).getPosition();
      rhsBatch = e.add(e.mul(rhsBatch, sizes[dim]), point[dim]);
    }
  }

  // --- tiles ------------------------------------------------------------------------------------

  void intrinsic(StringRef name, ValueRange arguments) {
    LLVM::CallIntrinsicOp::create(e.b, e.loc, e.b.getStringAttr(name), arguments);
  }
  Value constant(Type type, int64_t value) {
    return LLVM::ConstantOp::create(e.b, e.loc, type, e.b.getIntegerAttr(type, value));
  }
  Value tile(int64_t number) { return constant(e.b.getI8Type(), number); }
  Value bytes(int64_t count) { return constant(e.b.getI64Type(), count); }

  Value place(int64_t offset) { return e.index(memory.place + offset); }

  /// Tiles for blocks of so many rows: palette 1; then bytes per row, and rows, of 8 tiles.
  void configure(int64_t rows) {
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
    Value value = arith::ConstantOp::create(e.b, e.loc,
                                            DenseElementsAttr::get(type, ArrayRef<int32_t>(words)));
    value = vector::BitCastOp::create(e.b, e.loc, e.floats(), value);
    vector::StoreOp::create(e.b, e.loc, value, memory.floats, place(0));
    intrinsic("llvm.x86.ldtilecfg", {pointerAt(addressOf(memory.floats, place(0)))});
  }

  /// The address of an element, as a number.
  Value addressOf(Value buffer, Value offset) {
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, buffer);
    int64_t size = cast<MemRefType>(buffer.getType()).getElementTypeBitWidth() / 8;
    return e.add(base, e.mul(offset, size));
  }
  Value pointerAt(Value address) {
    Value number = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), address);
    return LLVM::IntToPtrOp::create(e.b, e.loc, LLVM::LLVMPointerType::get(e.b.getContext()),
                                    number);
  }

  int64_t stagedStride() const { return layout.stagedDepths * MatrixDepth; }
  Value stagedPlace(Value g) {
    return e.add(e.index(2 * (memory.place + layout.staged)), e.mul(g, BlockRows * stagedStride()));
  }

  // --- a block of 32 x 32 sums, for each member of a group --------------------------------------

  void emitBlock(Value slab, int64_t tiles, bool isLast, Value row, int64_t rows) {
    configure(rows);
    e.loop(group, [&](Value g) { emitProducts(slab, tiles, g, row, rows); });
    e.loop(e.index(0), e.index(rows), 1,
           [&](Value r) { emitEpilogue(slab, tiles, isLast, row, r); });
  }

  void emitProducts(Value slab, int64_t tiles, Value g, Value row, int64_t rows) {
    bool twoRows = rows > MatrixTile;
    auto sumTiles = [&](llvm::function_ref<void(int64_t rowTile, int64_t columnTile)> body) {
      for (int64_t r = 0; r < 1 + twoRows; ++r)
        for (int64_t c = 0; c < tiles; ++c)
          body(r, c);
    };
    sumTiles([&](int64_t r, int64_t c) { intrinsic("llvm.x86.tilezero", {tile(2 * r + c)}); });
    int64_t panel = layout.depths * MatrixDepth * MatrixTile; // elements of a tile's columns
    Value firstTile = e.add(e.mul(rhsBatch, tileCount()), e.mul(slab, 2));
    Value right = addressOf(rhs, e.mul(e.add(e.mul(firstTile, group), g), panel));
    Value stagedLeft = addressOf(memory.halves, stagedPlace(g));
    SmallVector<Value> at(point);
    at[m] = row;
    Value left = layout.stagesAll ? stagedLeft : addressOf(lhs.view.memory, e.offsetOf(lhs, at));
    int64_t stride = 2 * (layout.stagesAll ? stagedStride() : lhs.access.offset.plain(m));
    auto step = [&](Value left, int64_t stride, Value right) {
      for (int64_t r = 0; r < 1 + twoRows; ++r)
        intrinsic("llvm.x86.tileloadd64",
                  {tile(LhsTiles + r), pointerAt(e.add(left, e.index(r * MatrixTile * stride))),
                   bytes(stride)});
      for (int64_t c = 0; c < tiles; ++c)
        intrinsic("llvm.x86.tileloadd64",
                  {tile(RhsTiles + c), pointerAt(e.add(right, e.index(c * group * panel * 2))),
                   bytes(64)});
      sumTiles([&](int64_t r, int64_t c) {
        intrinsic("llvm.x86.tdpbf16ps", {tile(2 * r + c), tile(LhsTiles + r), tile(RhsTiles + c)});
      });
    };
    bool hasEnd = !layout.stagesAll && layout.stagedDepths;
    int64_t whole = layout.depths - hasEnd, tileBytes = 2 * MatrixDepth * MatrixTile;
    e.loop(whole, [&](Value d) {
      step(e.add(left, e.mul(d, 2 * MatrixDepth)), stride, e.add(right, e.mul(d, tileBytes)));
    });
    if (hasEnd)
      step(stagedLeft, 2 * stagedStride(), e.add(right, e.index(whole * tileBytes)));
    Value sums =
        addressOf(memory.floats, e.add(place(layout.sums), e.mul(g, BlockRows * BlockColumns)));
    sumTiles([&](int64_t r, int64_t c) {
      int64_t offset = 4 * (r * MatrixTile * BlockColumns + c * MatrixTile);
      intrinsic("llvm.x86.tilestored64", {tile(2 * r + c), pointerAt(e.add(sums, e.index(offset))),
                                          bytes(4 * BlockColumns)});
    });
  }

  /// The results of row `row + r`.
  void emitEpilogue(Value slab, int64_t tiles, bool isLast, Value row, Value r) {
    auto at = point;
    at[m] = e.add(row, r);
    for (int64_t c = 0; c < tiles; ++c) {
      SmallVector<Value> sums;
      for (int64_t g = 0; g < group; ++g) {
        int64_t offset = layout.sums + g * BlockRows * BlockColumns + c * MatrixTile;
        sums.push_back(vector::LoadOp::create(e.b, e.loc, e.floats(), memory.floats,
                                              e.add(place(offset), e.mul(r, BlockColumns))));
      }
      interleave(sums);
      for (int64_t g = 0; g < group; ++g) {
        int64_t column = (c * group + g) * MatrixTile, first = 0;
        std::optional<int64_t> limit;
        if (isLast) {
          first = (slabCount() - 1) * BlockColumns * group + column;
          if (first >= sizes[n])
            break;
          if (first + MatrixTile > sizes[n])
            limit = sizes[n];
        }
        at[n] = e.add(e.mul(slab, BlockColumns * group), e.index(column));
        finish(at, sums[g], limit);
      }
    }
  }

  void finish(ArrayRef<Value> at, Value sum, std::optional<int64_t> limit) {
    SmallVector<Value> arguments{sum};
    for (const Operand &extra : extras)
      arguments.push_back(e.loadVector(extra, at, n));
    auto values = e.vectorise(op.getEpilogue().front(), arguments);
    for (auto [result, value] : llvm::zip(results, values))
      e.storeVector(result, at, n, value, e.mask(result, at, n, limit));
  }

  /// Vectors of one member of the group each become vectors of neighbours.
  void interleave(SmallVectorImpl<Value> &vectors) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < MatrixTile; ++i) {
      low.push_back(i / 2 + (i % 2) * MatrixTile);
      high.push_back(MatrixTile / 2 + i / 2 + (i % 2) * MatrixTile);
    }
    for (int64_t round = 1; round < group; round *= 2) {
      SmallVector<Value> next;
      for (int64_t i = 0; i < group / 2; ++i) {
        Value a = vectors[i], c = vectors[i + group / 2];
        next.push_back(vector::ShuffleOp::create(e.b, e.loc, a, c, low));
        next.push_back(vector::ShuffleOp::create(e.b, e.loc, a, c, high));
      }
      vectors.assign(next.begin(), next.end());
    }
  }

  // --- staging ----------------------------------------------------------------------------------

  VectorType halves() { return VectorType::get({MatrixDepth}, e.b.getBF16Type()); }

  /// 32 elements of the lhs from `offset` on, those from `limit` on zero.
  Value loadHalves(Value offset, Value limit) {
    if (!limit)
      return vector::LoadOp::create(e.b, e.loc, halves(), lhs.view.memory, offset);
    auto type = VectorType::get({MatrixDepth}, e.b.getI1Type());
    Value mask = vector::CreateMaskOp::create(e.b, e.loc, type, ValueRange{limit});
    Value zero = arith::ConstantOp::create(e.b, e.loc, halves(), e.b.getZeroAttr(halves()));
    return vector::MaskedLoadOp::create(e.b, e.loc, halves(), lhs.view.memory, offset, mask, zero);
  }

  /// The short end of K of each row, with zeros behind it.
  void stageEnd(Value row, int64_t rows) {
    int64_t whole = layout.depths - 1;
    e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
      auto at = point;
      at[m] = e.add(row, r);
      at[k] = e.index(whole * MatrixDepth);
      Value value = loadHalves(e.offsetOf(lhs, at), e.index(sizes[k] - whole * MatrixDepth));
      vector::StoreOp::create(e.b, e.loc, value, memory.halves,
                              e.add(stagedPlace(e.index(0)), e.mul(r, stagedStride())));
    });
  }

  /// Rows of (k, g) as rows of k for each g. Words of two members of the group are sorted by pairs
  /// of k and by member; then halves of words change places.
  void stageGroups(Value row, int64_t rows) {
    e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
      auto at = point;
      at[m] = e.add(row, r);
      Value base = e.offsetOf(lhs, at);
      int64_t whole = sizes[k] / MatrixDepth;
      e.loop(whole, [&](Value d) { stageGroup(base, r, d, false); });
      if (whole < layout.depths)
        stageGroup(base, r, e.index(whole), true);
    });
  }

  void stageGroup(Value base, Value r, Value d, bool isEnd) {
    auto words = VectorType::get({MatrixTile}, e.b.getI32Type());
    Value first = e.mul(d, MatrixDepth * group);
    SmallVector<Value> vectors;
    for (int64_t i = 0; i < group; ++i) {
      Value own = e.add(first, e.index(i * MatrixDepth)), limit;
      if (isEnd)
        limit =
            arith::MaxSIOp::create(e.b, e.loc, e.sub(e.index(sizes[k] * group), own), e.index(0));
      vectors.push_back(
          vector::BitCastOp::create(e.b, e.loc, words, loadHalves(e.add(base, own), limit)));
    }
    // Words of one k: group / 2. Sorted by residue: [parity of k][word].
    vectors = everyNth(vectors);
    auto constantWords = [&](uint32_t value) -> Value {
      return arith::ConstantOp::create(
          e.b, e.loc, DenseElementsAttr::get(words, e.b.getI32IntegerAttr(int32_t(value))));
    };
    Value sixteen = constantWords(16);
    auto store = [&](int64_t g, Value value) {
      Value place =
          e.add(e.add(stagedPlace(e.index(g)), e.mul(r, stagedStride())), e.mul(d, MatrixDepth));
      vector::StoreOp::create(e.b, e.loc,
                              vector::BitCastOp::create(e.b, e.loc, halves(), value).getResult(),
                              memory.halves, place);
    };
    for (int64_t word = 0; word < group / 2; ++word) {
      Value even = vectors[word], odd = vectors[group / 2 + word];
      Value low = arith::AndIOp::create(e.b, e.loc, even, constantWords(0xFFFF));
      store(2 * word,
            arith::OrIOp::create(e.b, e.loc, low, arith::ShLIOp::create(e.b, e.loc, odd, sixteen)));
      Value high = arith::AndIOp::create(e.b, e.loc, odd, constantWords(0xFFFF0000));
      store(2 * word + 1, arith::OrIOp::create(e.b, e.loc, high,
                                               arith::ShRUIOp::create(e.b, e.loc, even, sixteen)));
    }
  }

  /// N vectors of neighbours; vector i of the result has the elements i, i + N, i + 2 N, ...
  SmallVector<Value> everyNth(ArrayRef<Value> vectors) {
    if (vectors.size() == 1)
      return {vectors[0]};
    SmallVector<int64_t> evenPlaces, oddPlaces;
    for (int64_t i = 0; i < MatrixTile; ++i) {
      evenPlaces.push_back(2 * i);
      oddPlaces.push_back(2 * i + 1);
    }
    SmallVector<Value> even, odd, result;
    for (size_t i = 0; i < vectors.size(); i += 2) {
      even.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + 1], evenPlaces));
      odd.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + 1], oddPlaces));
    }
    for (auto [a, c] : llvm::zip(everyNth(even), everyNth(odd))) {
      result.push_back(a);
      result.push_back(c);
    }
    return result;
  }

  Emitter &e;
  kernel::ContractOp op;
  MatrixMemory memory;
  MatrixScratch layout;
  ArrayRef<int64_t> sizes;
  unsigned m, n, k;
  int64_t group;
  Operand lhs;
  Value rhs, rhsBatch;
  std::vector<Operand> results, extras;
  SmallVector<Value> point;
};

/// Slabs of a call: enough columns that a call outweighs its start, and all where the lhs is
/// staged.
constexpr int64_t SlabsPerCall = 8;

} // namespace

int64_t danaus::cpu::matrixScratch(kernel::ContractOp op) {
  return op.getMatrixUnit() ? MatrixScratch(op).size : 0;
}

int64_t danaus::cpu::emitMatrixContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                        Value call, MatrixMemory memory) {
  MatrixEmitter contract(e, op, viewOf, memory);
  int64_t rows = op.getSizes()[op.getM()], perCall = (*op.getTile())[2];
  int64_t slabs =
      op.getGroup() > 1 ? contract.slabCount() : std::min(contract.slabCount(), SlabsPerCall);
  int64_t panels = Panel::count(rows, perCall);
  int64_t parts = llvm::divideCeil(contract.slabCount(), slabs);
  Value first = e.mul(e.rem(call, parts), slabs);
  Value panel = e.rem(e.div(call, parts), panels);
  contract.emitSlabs(e.div(call, parts * panels), first, slabs, e.panel(panel, rows, perCall));
  contract.release();
  return contract.batchCount() * panels * parts;
}

void danaus::cpu::emitMatrixRows(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                 const Panel &panel, MatrixMemory memory) {
  MatrixEmitter contract(e, op, viewOf, memory);
  e.loop(contract.batchCount(),
         [&](Value batch) { contract.emitSlabs(batch, e.index(0), contract.slabCount(), panel); });
  contract.release();
}
