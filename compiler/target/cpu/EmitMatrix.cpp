// kernel.contract on AMX: two by two tiles of 16 x 16 sums (tmm0 to tmm3), fed by two tiles of the
// lhs (tmm4, tmm5: 16 rows of 32 bfloat16) and two of the rhs (tmm6, tmm7: 16 pairs of K by 16
// columns). The sums go to the call's scratch, where the epilogue takes them up as vectors. A
// group's results are interleaved there; its lhs is taken apart, row by row, before.
#include "compiler/target/cpu/EmitMatrixStage.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

constexpr int64_t LhsTiles = 4, RhsTiles = 6; ///< numbers of their first tiles; sums are 0 to 3

class MatrixEmitter {
public:
  MatrixEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, MatrixMemory memory)
      : e(e), op(op), memory(memory), layout(op), stage{e, op, {}, memory, layout},
        sizes(op.getSizes()), m(op.getM()), n(op.getN()), group(op.getGroup()) {
    auto operand = [&](Value value, unsigned map) {
      return operandOf(value, op.getMap(map), sizes, m, viewOf);
    };
    lhs = operand(op.getLhs(), kernel::ContractOp::LhsMap);
    stage.lhs = lhs;
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
    configure(BlockRows); // changed for short blocks only: it takes as long as two products
    auto blocks = [&](llvm::function_ref<void(Value, int64_t)> body) {
      e.forRows(panel, BlockRows, body);
    };
    if (layout.stagesAll) { // once for all slabs
      blocks([&](Value row, int64_t rows) {
        stage.takeGroupsApart(point, row, rows);
        forSlabs(first, count, [&](Value slab, int64_t tiles, bool isLast) {
          emitBlock(slab, tiles, isLast, row, rows);
        });
      });
      return;
    }
    forSlabs(first, count, [&](Value slab, int64_t tiles, bool isLast) {
      blocks([&](Value row, int64_t rows) {
        if (layout.stagedDepths)
          stage.padEnd(point, row, rows);
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

  // --- a block of 32 x 32 sums, for each member of a group --------------------------------------

  void emitBlock(Value slab, int64_t tiles, bool isLast, Value row, int64_t rows) {
    if (rows != BlockRows)
      configure(rows);
    e.loop(group, [&](Value g) { emitProducts(slab, tiles, g, row, rows); });
    if (rows != BlockRows)
      configure(BlockRows);
    e.loop(e.index(0), e.index(rows), 1,
           [&](Value r) { emitEpilogue(slab, tiles, isLast, row, r); });
  }

  void forSumTiles(int64_t rowTiles, int64_t columnTiles,
                   llvm::function_ref<void(int64_t rowTile, int64_t columnTile)> body) {
    for (int64_t r = 0; r < rowTiles; ++r)
      for (int64_t c = 0; c < columnTiles; ++c)
        body(r, c);
  }

  /// 32 of K: `left` and `right` are the addresses of their first tiles, `stride` is in bytes.
  void emitStep(int64_t rowTiles, int64_t columnTiles, Value left, int64_t stride, Value right) {
    for (int64_t r = 0; r < rowTiles; ++r)
      intrinsic("llvm.x86.tileloadd64",
                {tile(LhsTiles + r), pointerAt(e.add(left, e.index(r * MatrixTile * stride))),
                 bytes(stride)});
    int64_t panelBytes = 2 * group * layout.depths * MatrixDepth * MatrixTile;
    for (int64_t c = 0; c < columnTiles; ++c)
      intrinsic("llvm.x86.tileloadd64",
                {tile(RhsTiles + c), pointerAt(e.add(right, e.index(c * panelBytes))), bytes(64)});
    forSumTiles(rowTiles, columnTiles, [&](int64_t r, int64_t c) {
      intrinsic("llvm.x86.tdpbf16ps", {tile(2 * r + c), tile(LhsTiles + r), tile(RhsTiles + c)});
    });
  }

  void emitProducts(Value slab, int64_t tiles, Value g, Value row, int64_t rows) {
    int64_t rowTiles = rows > MatrixTile ? 2 : 1;
    auto sumTiles = [&](llvm::function_ref<void(int64_t rowTile, int64_t columnTile)> body) {
      forSumTiles(rowTiles, tiles, body);
    };
    sumTiles([&](int64_t r, int64_t c) { intrinsic("llvm.x86.tilezero", {tile(2 * r + c)}); });
    int64_t panel = layout.depths * MatrixDepth * MatrixTile; // elements of a tile's columns
    Value firstTile = e.add(e.mul(rhsBatch, tileCount()), e.mul(slab, 2));
    Value right = addressOf(rhs, e.mul(e.add(e.mul(firstTile, group), g), panel));
    Value stagedLeft = addressOf(memory.halves, stage.place(g));
    SmallVector<Value> at(point);
    at[m] = row;
    Value left = layout.stagesAll ? stagedLeft : addressOf(lhs.view.memory, e.offsetOf(lhs, at));
    int64_t stride = 2 * (layout.stagesAll ? stage.stride() : lhs.access.offset.plain(m));
    bool hasEnd = !layout.stagesAll && layout.stagedDepths;
    int64_t whole = layout.depths - hasEnd, tileBytes = 2 * MatrixDepth * MatrixTile;
    e.loop(whole, [&](Value d) {
      emitStep(rowTiles, tiles, e.add(left, e.mul(d, 2 * MatrixDepth)), stride,
               e.add(right, e.mul(d, tileBytes)));
    });
    if (hasEnd)
      emitStep(rowTiles, tiles, stagedLeft, 2 * stage.stride(),
               e.add(right, e.index(whole * tileBytes)));
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
      interleaveLanes(e, sums);
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

  Emitter &e;
  kernel::ContractOp op;
  MatrixMemory memory;
  MatrixScratch layout;
  LhsStage stage;
  ArrayRef<int64_t> sizes;
  unsigned m, n;
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
