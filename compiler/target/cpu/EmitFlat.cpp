// Kernels over flat memory: copies, column sums, optimizer updates, norms and metrics.
#include "compiler/lower/ScalarCode.h"
#include "compiler/target/cpu/Emitter.h"
#include "runtime/plan/Control.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// Elements of a flat tensor that one call updates, about.
constexpr int64_t ElementsPerCall = 2048;

class CopyEmitter {
public:
  CopyEmitter(Emitter &e, kernel::CopyOp op, ViewOf viewOf)
      : e(e), rounds(op.getRounds().value_or(Type())) {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    sizes.assign(type.getShape().begin(), type.getShape().end());
    if (sizes.empty())
      sizes.push_back(1);
    lane = sizes.size() - 1;
    unsigned none = ~0u;
    input = operandOf(op.getInput(), op.getMap(), sizes, none, viewOf);
    result =
        operandOf(op.getResult(), e.b.getMultiDimIdentityMap(type.getRank()), sizes, none, viewOf);
    if (input.access.along(lane) != Access::Motion::Unit)
      for (unsigned i = 0; i < lane; ++i)
        if (input.access.along(i) == Access::Motion::Unit && sizes[i] > 1)
          blocked = i;
    // A block along the other dimension must not leave the input there: its loads are whole
    // vectors.
    for (const AccessGuard &guard : input.access.guards)
      if (blocked && guard.sum.uses(*blocked))
        blocked.reset();
  }

  /// Every call copies some thousand elements. The dimensions before the lanes' are walked in the
  /// order in which the input lies in memory; the nearest one is a loop inside the call, unless
  /// blocks are turned. Where that loop would write to many places, it is cut in parts, all lines
  /// of a part come before the next part, and a call writes its lines of one place before the next
  /// place: stores have few entries in the first-level TLB.
  int64_t emit(Value call) {
    constexpr int64_t elementsPerCall = 4096, mostPlaces = 16, mostBeside = 4;
    SmallVector<unsigned> order = outerDimensions();
    std::optional<unsigned> inner;
    if (!order.empty() && order.back() != blocked)
      inner = order.pop_back_val();
    if (blocked)
      beside = std::min<int64_t>(mostBeside, llvm::divideCeil(sizes[*blocked], e.width()));
    int64_t lines = 1;
    for (unsigned i : order)
      lines *= countOf(i);
    int64_t places = inner ? sizes[*inner] : 1;
    int64_t parts = lines > 1 ? llvm::divideCeil(places, mostPlaces) : 1;
    int64_t perPart = llvm::divideCeil(places, parts);
    int64_t lineElements = sizes[lane] * perPart * (blocked ? beside * e.width() : 1);
    int64_t perCall = std::clamp<int64_t>(elementsPerCall / lineElements, 1, lines);
    int64_t callsPerPart = llvm::divideCeil(lines, perCall);
    Value first = e.index(0), last = e.index(places);
    if (parts > 1) {
      first = e.mul(e.div(call, callsPerPart), perPart);
      last = smaller(e.add(first, e.index(perPart)), places);
      call = e.rem(call, callsPerPart);
    }
    SmallVector<Value> point(sizes.size(), e.index(0));
    auto one = [&](Value number) {
      for (unsigned i : llvm::reverse(order)) {
        point[i] = e.mul(e.rem(number, countOf(i)), i == blocked ? beside * e.width() : 1);
        number = e.div(number, countOf(i));
      }
      if (!inner)
        return emitLine(point);
      e.loop(first, last, 1, [&](Value i) {
        point[*inner] = i;
        emitLine(point);
      });
    };
    if (perCall == 1) {
      one(call);
      return parts * callsPerPart;
    }
    Value begin = e.mul(call, perCall);
    Value end = smaller(e.add(begin, e.index(perCall)), lines);
    e.loop(begin, end, 1, one);
    return parts * callsPerPart;
  }

private:
  Value smaller(Value a, int64_t bound) {
    return arith::MinUIOp::create(e.b, e.loc, a, e.index(bound));
  }

  /// Steps along a dimension before the lanes'.
  int64_t countOf(unsigned dim) const {
    return dim == blocked ? int64_t(llvm::divideCeil(sizes[dim], beside * e.width())) : sizes[dim];
  }

  /// The dimensions before the lanes' that have more than one step, the input's farthest strides
  /// first; in their own order where the input is not walked in strides, or blocks are turned.
  SmallVector<unsigned> outerDimensions() {
    SmallVector<unsigned> order;
    bool plain = !blocked;
    for (unsigned i = 0; i < lane; ++i) {
      plain &= input.access.along(i) != Access::Motion::Irregular;
      if (sizes[i] > 1)
        order.push_back(i);
    }
    if (plain)
      llvm::stable_sort(order, [&](unsigned a, unsigned b) {
        return input.access.offset.plain(a) > input.access.offset.plain(b);
      });
    return order;
  }

  Value finished(Value value) {
    if (result.element != getElementTypeOrSelf(value.getType()))
      return arith::TruncFOp::create(
          e.b, e.loc, cast<VectorType>(value.getType()).clone(result.element), value);
    return rounds ? buildRound(e.b, e.loc, value, rounds) : value;
  }

  void emitLine(SmallVector<Value> point) {
    int64_t whole = sizes[lane] / e.width() * e.width();
    if (isShortRegister())
      return emitShort(point);
    if (whole)
      e.loop(e.index(0), e.index(whole), e.width(), [&](Value column) {
        point[lane] = column;
        blocked ? emitBlocks(point, e.width()) : emitVector(point, std::nullopt);
      });
    if (whole < sizes[lane]) {
      point[lane] = e.index(whole);
      blocked ? emitBlocks(point, sizes[lane] - whole) : emitVector(point, sizes[lane]);
    }
  }

  /// A line is a shorter register, neighbours in the input.
  bool isShortRegister() const {
    return (sizes[lane] == 4 || sizes[lane] == 8) && sizes[lane] < e.width() &&
           input.access.guards.empty() && input.access.along(lane) == Access::Motion::Unit;
  }

  void emitShort(ArrayRef<Value> point) {
    auto type = VectorType::get({sizes[lane]}, input.element);
    Value value =
        vector::LoadOp::create(e.b, e.loc, type, input.view.memory, e.offsetOf(input, point));
    vector::StoreOp::create(e.b, e.loc, finished(value), result.view.memory,
                            e.offsetOf(result, point));
  }

  void emitVector(ArrayRef<Value> point, std::optional<int64_t> limit) {
    Value value, inside = e.mask(input, point, lane, std::nullopt);
    if (inside && input.access.along(lane) == Access::Motion::Unit) {
      // What lies before the input is not read.
      value = vector::MaskedLoadOp::create(e.b, e.loc, e.vectorOf(input.element), input.view.memory,
                                           e.offsetOf(input, point), inside, e.zero(input.element));
    } else {
      value = e.loadVector(input, point, lane);
      if (inside)
        value = arith::SelectOp::create(e.b, e.loc, inside, value, e.zero(input.element));
    }
    Operand none;
    value = finished(value);
    e.storeVector(result, point, lane, value, limit ? e.mask(none, point, lane, limit) : Value());
  }

  /// Blocks side by side: of each of the input's rows some neighbouring cache lines. The rows that
  /// the next blocks read are too far apart for the processor to foresee them.
  void emitBlocks(SmallVector<Value> point, int64_t lanes) {
    Value first = point[*blocked];
    Value last = smaller(e.add(first, e.index(beside * e.width())), sizes[*blocked]);
    e.loop(first, last, e.width(), [&](Value place) {
      point[*blocked] = place;
      for (int64_t i = 0; i < e.width(); ++i) {
        auto next = point;
        next[lane] = e.add(point[lane], e.index(e.width() + i));
        e.prefetch(input.view.memory, e.offsetOf(input, next), /*isWrite=*/false, 1);
      }
      emitBlock(point, lanes);
    });
  }

  /// `lanes` columns, each read as a vector along the blocked dimension, turned and written.
  void emitBlock(SmallVector<Value> point, int64_t lanes) {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < e.width(); ++i) {
      if (i >= lanes) {
        rows.push_back(e.widened(e.zero(input.element)));
        continue;
      }
      auto p = point;
      p[lane] = e.add(point[lane], e.index(i));
      Value value = e.loadVector(input, p, *blocked);
      if (Value inside = e.mask(input, p, *blocked, std::nullopt))
        value = arith::SelectOp::create(e.b, e.loc, inside, value, e.zero(input.element));
      rows.push_back(e.widened(value));
    }
    interleaveLanes(e, rows); // in float32: LLVM 22 cannot select every shuffle of bfloat16
    for (Value &row : rows)
      row = finished(row);
    int64_t size = sizes[*blocked], rest = size % e.width();
    Operand none;
    Value storeMask = lanes < e.width() ? e.mask(none, point, lane, sizes[lane]) : Value();
    auto store = [&](int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        auto p = point;
        p[*blocked] = e.add(point[*blocked], e.index(i));
        e.storeVector(result, p, lane, rows[i], storeMask);
      }
    };
    if (rest == 0)
      return store(e.width());
    auto branch = scf::IfOp::create(e.b, e.loc, e.equal(point[*blocked], size - rest),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    store(rest);
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    store(e.width());
  }

  Emitter &e;
  Type rounds; ///< what is rounded to; null: nothing is
  SmallVector<int64_t> sizes;
  unsigned lane = 0;
  std::optional<unsigned> blocked;
  int64_t beside = 1; ///< turned blocks next to each other in the input
  Operand input, result;
};

/// A flat operand of `count` elements.
Operand flat(Emitter &e, Value tensor, int64_t count, ViewOf viewOf) {
  View view = viewOf(tensor);
  Access access;
  access.offset.add({AccessTerm::Plain, 0, 1, 1});
  return {view, access, ~0u, cast<RankedTensorType>(tensor.getType()).getElementType()};
}

int64_t elementsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

/// f(vector, sum) over [begin, end) in steps of a vector, begin and end multiples of it; returns
/// the sum's lanes added.
Value sumOver(Emitter &e, Value begin, Value end, llvm::function_ref<Value(Value, Value)> step) {
  auto loop =
      scf::ForOp::create(e.b, e.loc, begin, end, e.index(e.width()), e.zero(e.b.getF32Type()));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    scf::YieldOp::create(e.b, e.loc, step(loop.getInductionVar(), loop.getRegionIterArg(0)));
  }
  return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD, loop.getResult(0),
                                     arith::FastMathFlags::reassoc);
}

/// The sum of all elements of a tensor.
Value sumOf(Emitter &e, Value tensor, ViewOf viewOf) {
  int64_t count = elementsOf(tensor), whole = count / e.width() * e.width();
  Operand operand = flat(e, tensor, count, viewOf);
  Value sum = sumOver(e, e.index(0), e.index(whole), [&](Value i, Value partial) -> Value {
    return arith::AddFOp::create(e.b, e.loc, partial, e.loadVector(operand, i, 0));
  });
  for (int64_t i = whole; i < count; ++i)
    sum = arith::AddFOp::create(e.b, e.loc, sum, e.loadScalar(operand, e.index(i)));
  return sum;
}

} // namespace

int64_t danaus::cpu::emitCopy(Emitter &e, kernel::CopyOp op, ViewOf viewOf, Value call) {
  return CopyEmitter(e, op, viewOf).emit(call);
}

int64_t danaus::cpu::emitUpdate(Emitter &e, kernel::UpdateOp op, ViewOf viewOf, Value call) {
  int64_t count = elementsOf(op.getParameters()[0]);
  assert(op.getParameters().size() == 1 && count % 16 == 0 && "updates are outlined flat");
  std::vector<Operand> reads{flat(e, op.getParameters()[0], count, viewOf),
                             flat(e, op.getGradients()[0], count, viewOf)};
  for (Value state : op.getStates())
    reads.push_back(flat(e, state, count, viewOf));
  SmallVector<Value> scalars;
  auto readScalars = [&](Value buffer, ArrayRef<int64_t> indices) {
    Operand operand = flat(e, buffer, elementsOf(buffer), viewOf);
    for (int64_t i : indices)
      scalars.push_back(e.splat(e.loadScalar(operand, e.index(i))));
  };
  readScalars(op.getControl(), op.getControlIndices());
  readScalars(op.getMetrics(), op.getMetricsIndices());
  // Equal calls: threads that share them have the same rows of a weight as of its gradient.
  int64_t calls = std::max<int64_t>(1, count / ElementsPerCall);
  int64_t perCall = llvm::alignTo(llvm::divideCeil(count, calls), 16);
  Value begin = e.mul(call, perCall);
  Value end = arith::MinUIOp::create(e.b, e.loc, e.add(begin, e.index(perCall)), e.index(count));
  e.loop(begin, end, e.width(), [&](Value i) {
    SmallVector<Value> arguments;
    for (const Operand &read : reads)
      arguments.push_back(e.loadVector(read, i, 0));
    arguments.append(scalars);
    auto values = e.vectorise(op.getBody().front(), arguments);
    for (auto [result, value] : llvm::zip(op.getResults(), values))
      e.storeVector(flat(e, result, count, viewOf), i, 0, value, Value());
  });
  return llvm::divideCeil(count, perCall);
}

int64_t danaus::cpu::emitSquareNorm(Emitter &e, kernel::SquareNormOp op, ViewOf viewOf,
                                    Value call) {
  int64_t count = elementsOf(op.getGradients()[0]), parts = elementsOf(op.getResult());
  int64_t perPart = llvm::alignTo(llvm::divideCeil(count, parts), e.width());
  Operand input = flat(e, op.getGradients()[0], count, viewOf);
  Value begin = arith::MinUIOp::create(e.b, e.loc, e.mul(call, perPart), e.index(count));
  Value end = arith::MinUIOp::create(e.b, e.loc, e.add(begin, e.index(perPart)), e.index(count));
  Value sum = sumOver(e, begin, end, [&](Value i, Value partial) {
    Value value = e.loadVector(input, i, 0);
    return e.multiplyAdd(value, value, partial);
  });
  memref::StoreOp::create(e.b, e.loc, sum, viewOf(op.getResult()).memory, ValueRange(call));
  return parts;
}

int64_t danaus::cpu::emitMetrics(Emitter &e, kernel::MetricsOp op, ViewOf viewOf, Value) {
  Value out = viewOf(op.getResult()).memory;
  auto store = [&](Value value, size_t place) {
    memref::StoreOp::create(e.b, e.loc, value, out, ValueRange(e.index(place)));
  };
  Operand control = flat(e, op.getControl(), elementsOf(op.getControl()), viewOf);
  Value inverse = e.loadScalar(control, e.index(control::InverseCount));
  auto storeNorm = [&](Value norm) {
    Value scale = e.loadScalar(control, e.index(control::InverseScale));
    store(op.getScaled() ? arith::MulFOp::create(e.b, e.loc, norm, scale) : norm,
          metrics::GradNorm);
  };
  store(arith::MulFOp::create(e.b, e.loc, sumOf(e, op.getLoss(), viewOf), inverse), metrics::Loss);
  store(sumOf(e, op.getCorrect(), viewOf), metrics::Correct);
  if (op.getSquareNorm())
    storeNorm(math::SqrtOp::create(e.b, e.loc, sumOf(e, op.getSquareNorm(), viewOf)));
  return 1;
}
