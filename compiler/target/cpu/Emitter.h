// What the emitters of all kernel classes share: index arithmetic, vectors of memory, scalar
// regions turned into vector code. Emits scf, vector, arith, math and memref; every buffer is a
// flat memref.
#pragma once

#include "compiler/lower/Access.h"
#include "compiler/target/cpu/Isa.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace danaus::cpu {

/// Where a tensor lies: a flat memref, or a panel of rows in scratch that begins at `base` and
/// holds the rows from `firstRow` on.
struct View {
  mlir::Value memory;
  int64_t base = 0;
  mlir::Value firstRow;    ///< null: all rows are there
  bool isStreamed = false; ///< read again much later: see kernel.chain
};

/// Bytes that a cache reads and writes at once.
constexpr int64_t cacheLine = 64;

/// A part of a call's scratch, seen as float32 and as bfloat16; `place` counts float32 elements.
struct MatrixMemory {
  mlir::Value floats, halves;
  int64_t place = 0;
};

/// An operand as a kernel sees it: its place and how the iteration space reaches it.
struct Operand {
  View view;
  Access access;
  unsigned rowDim = 0; ///< the dimension of the iteration space that counts rows of the view
  mlir::Type element;
};

/// The rows that one call computes: [begin, begin + full) or, in the last call, [begin, begin +
/// last).
struct Panel {
  mlir::Value begin;
  int64_t full, last;
  mlir::Value isLast; ///< i1; null where all calls are alike

  /// Calls needed for `rows`, `perCall` at a time.
  static int64_t count(int64_t rows, int64_t perCall) { return (rows + perCall - 1) / perCall; }
};

class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc, const Isa &isa)
      : b(builder), loc(loc), isa(isa) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Isa &isa;

  int64_t width() const { return isa.width; }
  mlir::VectorType vectorOf(mlir::Type element) {
    return mlir::VectorType::get({width()}, element);
  }
  mlir::VectorType floats() { return vectorOf(b.getF32Type()); }

  // Index arithmetic, folded where constant.
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value c);
  mlir::Value sub(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, int64_t c);
  mlir::Value div(mlir::Value a, int64_t c);
  mlir::Value rem(mlir::Value a, int64_t c);
  mlir::Value equal(mlir::Value a, int64_t c);

  /// The value of an index sum at a point.
  mlir::Value evaluate(const AccessSum &sum, mlir::ValueRange point);
  /// The same for `width` neighbours along `lane`: a vector of i32.
  mlir::Value evaluateLanes(const AccessSum &sum, mlir::ValueRange point, unsigned lane);

  mlir::Value splat(mlir::Value scalar);
  mlir::Value zero(mlir::Type element);
  /// a * c + sum.
  mlir::Value multiplyAdd(mlir::Value a, mlir::Value c, mlir::Value sum);

  /// The flat offset of an operand's element.
  mlir::Value offsetOf(const Operand &operand, mlir::ValueRange point);
  mlir::Value loadScalar(const Operand &operand, mlir::ValueRange point);
  /// `width` neighbours along `lane`; a splat where the operand does not move along it. Guards are
  /// not applied.
  mlir::Value loadVector(const Operand &operand, mlir::ValueRange point, unsigned lane);
  /// Lanes inside the operand's bounds; null where all are. `limit`: also lanes with index < limit
  /// along `lane`.
  mlir::Value mask(const Operand &operand, mlir::ValueRange point, unsigned lane,
                   std::optional<int64_t> limit);
  /// Whether it is stored around the caches, so many vectors at once: whole lines only.
  bool isStreamed(const Operand &operand, unsigned lane, int64_t vectors = 1) const;
  void storeVector(const Operand &operand, mlir::ValueRange point, unsigned lane, mlir::Value value,
                   mlir::Value mask);
  /// Two vectors of 16-bit numbers, neighbours from `point` on, around the caches.
  void streamPair(const Operand &operand, mlir::ValueRange point, mlir::Value first,
                  mlir::Value second);

  /// A panel for call number `call` of `rows` rows in all.
  Panel panel(mlir::Value call, int64_t rows, int64_t perCall);
  /// Calls `body(first row, how many)` for groups of `group` rows and for the rest.
  void forRows(const Panel &panel, int64_t group,
               llvm::function_ref<void(mlir::Value, int64_t)> body);
  /// scf.for from 0 to `count`, unless it is one iteration.
  void loop(int64_t count, llvm::function_ref<void(mlir::Value)> body);
  void loop(mlir::Value from, mlir::Value to, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);

  /// scf.for over `count` steps that carries sums, four steps in one turn: enough products for the
  /// loads of the next to be under way. `step` takes its place and the sums and returns the next;
  /// `turn`, where given, is called with the number of each turn.
  static constexpr int64_t stepsPerTurn = 4;
  llvm::SmallVector<mlir::Value> loopOverSums(
      mlir::Value count, mlir::ValueRange sums,
      llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> step,
      llvm::function_ref<void(mlir::Value)> turn = nullptr);

  /// Asks for a cache line: `level` 1 or 2.
  void prefetch(mlir::Value memory, mlir::Value offset, bool isWrite, unsigned level);

  /// bfloat16 numbers as float32; others as they are.
  mlir::Value widened(mlir::Value value);

  /// One operation of a region with vectors for scalars.
  mlir::Value vectorise(mlir::Operation &op, mlir::IRMapping &mapping);
  /// A block of a region (without row operations): returns what it yields.
  llvm::SmallVector<mlir::Value> vectorise(mlir::Block &block, mlir::ValueRange arguments);
};

/// `count` vectors (a power of two, at most the width) become as many that hold the first lanes of
/// all, then the second lanes, and so on: log2(count) rounds of interleaving vector i with vector
/// i + count/2. `width` rows of `width` elements are thereby transposed.
void interleaveLanes(Emitter &emitter, llvm::SmallVectorImpl<mlir::Value> &vectors);

// One function per kernel class; `call` is the number of the call. They return the number of calls.
using ViewOf = llvm::function_ref<View(mlir::Value)>;
Operand operandOf(mlir::Value tensor, mlir::AffineMap map, llvm::ArrayRef<int64_t> sizes,
                  unsigned rowDim, ViewOf viewOf);

int64_t emitContract(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, mlir::Value call);
/// `next`: what the kernel after this one reads whole; null: nothing is asked for ahead of it.
void emitContractRows(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, const Panel &panel,
                      mlir::Value next);
int64_t emitRow(Emitter &emitter, kernel::RowOp op, ViewOf viewOf, mlir::Value call);
void emitRowRows(Emitter &emitter, kernel::RowOp op, ViewOf viewOf, const Panel &panel);
int64_t emitPack(Emitter &emitter, kernel::PackOp op, ViewOf viewOf, mlir::Value call);
int64_t emitCopy(Emitter &emitter, kernel::CopyOp op, ViewOf viewOf, mlir::Value call);
/// The call's scratch begins with `memory`; attentionScratch() float32 elements of it are used.
int64_t emitAttention(Emitter &emitter, kernel::AttentionOp op, ViewOf viewOf, mlir::Value call,
                      MatrixMemory memory);
int64_t emitAttentionBackward(Emitter &emitter, kernel::AttentionBackwardOp op, ViewOf viewOf,
                              mlir::Value call, MatrixMemory memory);
int64_t attentionScratch(kernel::AttentionOp op, const Isa &isa);
int64_t attentionScratch(kernel::AttentionBackwardOp op, const Isa &isa);
int64_t emitReduce(Emitter &emitter, kernel::ReduceOp op, ViewOf viewOf, mlir::Value call);
int64_t emitUpdate(Emitter &emitter, kernel::UpdateOp op, ViewOf viewOf, mlir::Value call);
int64_t emitSquareNorm(Emitter &emitter, kernel::SquareNormOp op, ViewOf viewOf, mlir::Value call);
int64_t emitMetrics(Emitter &emitter, kernel::MetricsOp op, ViewOf viewOf, mlir::Value call);

} // namespace danaus::cpu
