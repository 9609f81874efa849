// See FormTokens.h: one function per operation, its formula as a region.
#include "compiler/lower/FormTokens.h"

#include "compiler/lower/Scalar.h"
#include "runtime/plan/Control.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;

namespace {

using Values = SmallVector<Value>;
using Code = llvm::function_ref<Values(Scalar, ValueRange)>;

/// The maps that occur over (row, column) and over (batch, row, column).
struct Maps {
  explicit Maps(OpBuilder &builder, unsigned dims) : builder(builder), dims(dims) {}

  AffineExpr d(unsigned i) const { return builder.getAffineDimExpr(i); }
  AffineMap of(ArrayRef<AffineExpr> exprs) const {
    return AffineMap::get(dims, 0, exprs, builder.getContext());
  }
  AffineMap constant(int64_t index) const { return of(builder.getAffineConstantExpr(index)); }

  OpBuilder &builder;
  unsigned dims;
};

/// Fills the region of a kernel.row or kernel.reduce; the code sees 16-bit inputs in float32.
void fillBody(OpBuilder &builder, Location loc, Region &body, ValueRange inputs, Code code) {
  OpBuilder::InsertionGuard guard(builder);
  auto types = llvm::map_to_vector(
      inputs, [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); });
  Block *block = builder.createBlock(&body, {}, types, SmallVector<Location>(inputs.size(), loc));
  Scalar scalar{builder, loc};
  auto elements =
      llvm::map_to_vector(block->getArguments(), [&](Value v) { return scalar.widened(v); });
  Values results = code(scalar, elements);
  kernel::YieldOp::create(builder, loc, results);
}

Values createRow(OpBuilder &builder, Location loc, TypeRange types, ValueRange inputs,
                 ArrayRef<int64_t> sizes, ArrayRef<AffineMap> maps, Code code) {
  auto row = kernel::RowOp::create(builder, loc, types, inputs, sizes,
                                   builder.getAffineMapArrayAttr(maps), IntegerAttr());
  fillBody(builder, loc, row.getBody(), inputs, code);
  return Values(row.getResults());
}

Values createReduce(OpBuilder &builder, Location loc, TypeRange types, ValueRange inputs,
                    ArrayRef<int64_t> sizes, ArrayRef<AffineMap> maps, Code code) {
  auto reduce = kernel::ReduceOp::create(builder, loc, types, inputs, sizes,
                                         builder.getAffineMapArrayAttr(maps));
  fillBody(builder, loc, reduce.getBody(), inputs, code);
  return Values(reduce.getResults());
}

// --- normalisation ------------------------------------------------------------------------------

Values formLayerNorm(OpBuilder &builder, nn::LayerNormOp op) {
  auto shape = nn::shapeOf(op.getInput());
  Maps maps(builder, 2);
  auto element = maps.of({maps.d(0), maps.d(1)}), column = maps.of(maps.d(1)),
       row = maps.of(maps.d(0));
  double inverse = 1.0 / double(shape[1]), epsilon = op.getEpsilon().convertToDouble();
  return createRow(
      builder, op.getLoc(), op->getResultTypes(), {op.getInput(), op.getWeight(), op.getBias()},
      shape, {element, column, column, element, row, row}, [&](Scalar s, ValueRange in) -> Values {
        Value mean = s.mul(s.rowSum(in[0]), s.number(inverse));
        Value centred = s.sub(in[0], mean);
        Value variance = s.mul(s.rowSum(s.mul(centred, centred)), s.number(inverse));
        Value root = math::SqrtOp::create(builder, op.getLoc(), s.add(variance, s.number(epsilon)));
        Value rstd = s.div(s.number(1), root);
        Value y = s.add(s.mul(s.mul(centred, rstd), in[1]), in[2]);
        return {y, mean, rstd};
      });
}

Values formLayerNormBackward(OpBuilder &builder, nn::LayerNormBackwardOp op) {
  auto shape = nn::shapeOf(op.getInput());
  Maps maps(builder, 2);
  auto element = maps.of({maps.d(0), maps.d(1)}), column = maps.of(maps.d(1)),
       row = maps.of(maps.d(0));
  double inverse = 1.0 / double(shape[1]);
  return createRow(builder, op.getLoc(), op->getResultTypes(),
                   {op.getInput(), op.getWeight(), op.getMean(), op.getRstd(), op.getGradient()},
                   shape, {element, column, row, row, element, element},
                   [&](Scalar s, ValueRange in) -> Values {
                     Value h = s.mul(s.sub(in[0], in[2]), in[3]);
                     Value g = s.mul(in[4], in[1]);
                     Value meanG = s.mul(s.rowSum(g), s.number(inverse));
                     Value meanGH = s.mul(s.rowSum(s.mul(g, h)), s.number(inverse));
                     return {s.mul(in[3], s.sub(s.sub(g, meanG), s.mul(h, meanGH)))};
                   });
}

Values formLayerNormWeightBackward(OpBuilder &builder, nn::LayerNormWeightBackwardOp op) {
  auto shape = nn::shapeOf(op.getInput());
  Maps maps(builder, 3);
  auto element = maps.of({maps.d(1), maps.d(2)}), row = maps.of(maps.d(1)),
       column = maps.of(maps.d(2));
  return createReduce(builder, op.getLoc(), op->getResultTypes(),
                      {op.getInput(), op.getMean(), op.getRstd(), op.getGradient()},
                      {1, shape[0], shape[1]}, {element, row, row, element, column, column},
                      [&](Scalar s, ValueRange in) -> Values {
                        Value h = s.mul(s.sub(in[0], in[1]), in[2]);
                        return {s.mul(in[3], h), in[3]};
                      });
}

// --- sums and means -----------------------------------------------------------------------------

Values formSumLeading(OpBuilder &builder, nn::SumLeadingOp op) {
  int64_t columns = llvm::product_of(nn::shapeOf(op.getResult()));
  int64_t rows = llvm::product_of(nn::shapeOf(op.getInput())) / columns;
  Maps maps(builder, 3);
  Value sum = createReduce(builder, op.getLoc(), nn::tensorOf(builder.getContext(), {columns}),
                           reshapedTo(builder, op.getInput(), {rows, columns}), {1, rows, columns},
                           {maps.of({maps.d(1), maps.d(2)}), maps.of(maps.d(2))},
                           [](Scalar, ValueRange in) { return Values(in); })[0];
  return {reshapedTo(builder, sum, nn::shapeOf(op.getResult()))};
}

Values formMeanTokens(OpBuilder &builder, nn::MeanTokensOp op) {
  auto shape = nn::shapeOf(op.getInput());
  Maps maps(builder, 3);
  return createReduce(builder, op.getLoc(), op.getType(), op.getInput(), shape,
                      {maps.of({maps.d(0), maps.d(1), maps.d(2)}), maps.of({maps.d(0), maps.d(2)})},
                      [&](Scalar s, ValueRange in) -> Values {
                        return {s.mul(in[0], s.number(1.0 / double(shape[1])))};
                      });
}

Values formMeanTokensBackward(OpBuilder &builder, nn::MeanTokensBackwardOp op) {
  auto shape = nn::shapeOf(op.getResult());
  int64_t rows = shape[0] * shape[1];
  Maps maps(builder, 2);
  Value spread = createRow(
      builder, op.getLoc(), nn::tensorOf(builder.getContext(), {rows, shape[2]}), op.getGradient(),
      {rows, shape[2]},
      {maps.of({maps.d(0).floorDiv(shape[1]), maps.d(1)}), maps.of({maps.d(0), maps.d(1)})},
      [&](Scalar s, ValueRange in) -> Values {
        return {s.mul(in[0], s.number(1.0 / double(shape[1])))};
      })[0];
  return {reshapedTo(builder, spread, shape)};
}

// --- dropout ------------------------------------------------------------------------------------

/// 32-bit integer arithmetic at one place.
struct Words {
  Scalar s;

  Value constant(uint32_t value) {
    return arith::ConstantOp::create(s.builder, s.loc, s.builder.getI32IntegerAttr(int32_t(value)));
  }
  template <typename Op> Value op(Value a, Value b) { return Op::create(s.builder, s.loc, a, b); }
  Value bitsOf(Value f32) {
    return arith::BitcastOp::create(s.builder, s.loc, s.builder.getI32Type(), f32);
  }
  /// The upper half of a * factor.
  Value high(Value a, uint32_t factor) {
    Type i64 = s.builder.getI64Type();
    auto wide = [&](uint64_t value) -> Value {
      return arith::ConstantOp::create(s.builder, s.loc, s.builder.getI64IntegerAttr(value));
    };
    Value product =
        op<arith::MulIOp>(arith::ExtUIOp::create(s.builder, s.loc, i64, a), wide(factor));
    return arith::TruncIOp::create(s.builder, s.loc, s.builder.getI32Type(),
                                   op<arith::ShRUIOp>(product, wide(32)));
  }
};

/// The first word of philox4x32 (runtime/base/Philox.h).
Value buildPhilox(Words w, std::array<Value, 4> c, std::array<Value, 2> key) {
  for (int round = 0; round < 10; ++round) {
    Value high0 = w.high(c[0], 0xD2511F53u),
          low0 = w.op<arith::MulIOp>(c[0], w.constant(0xD2511F53u));
    Value high1 = w.high(c[2], 0xCD9E8D57u),
          low1 = w.op<arith::MulIOp>(c[2], w.constant(0xCD9E8D57u));
    auto mix = [&](Value a, Value b, Value k) {
      return w.op<arith::XOrIOp>(w.op<arith::XOrIOp>(a, b), k);
    };
    c = {mix(high1, c[1], key[0]), low1, mix(high0, c[3], key[1]), low0};
    key = {w.op<arith::AddIOp>(key[0], w.constant(0x9E3779B9u)),
           w.op<arith::AddIOp>(key[1], w.constant(0xBB67AE85u))};
  }
  return c[0];
}

/// The number of the present element's group within the launch.
Value buildGroup(Words w, int64_t columns, int64_t group) {
  auto &[builder, loc] = w.s;
  Value row = kernel::RowIndexOp::create(builder, loc, builder.getI32Type());
  auto divided = [&](Value v, int64_t by) {
    return by == 1 ? v : w.op<arith::DivUIOp>(v, w.constant(uint32_t(by)));
  };
  if (group % columns == 0)
    return divided(row, group / columns);
  Value column = kernel::ColumnOp::create(builder, loc, builder.getI32Type());
  Value element =
      w.op<arith::AddIOp>(w.op<arith::MulIOp>(row, w.constant(uint32_t(columns))), column);
  return divided(element, group);
}

Values formDropout(OpBuilder &builder, nn::DropoutOp op) {
  auto shape = nn::shapeOf(op.getInput());
  int64_t elements = llvm::product_of(shape), columns = shape.back(), rows = elements / columns;
  int64_t group = op.getGroup(), groupsPerSample = elements / shape[0] / group;
  double rate = op.getRate().convertToDouble();
  Maps maps(builder, 2);
  auto element = maps.of({maps.d(0), maps.d(1)});
  Value input = reshapedTo(builder, op.getInput(), {rows, columns}), control = op.getControl();
  Value kept = createRow(
      builder, op.getLoc(), input.getType(), {input, control, control, control, control},
      {rows, columns},
      {element, maps.constant(control::RandomKey0), maps.constant(control::RandomKey1),
       maps.constant(control::RandomStep), maps.constant(control::FirstSample), element},
      [&](Scalar s, ValueRange in) -> Values {
        Words w{s};
        Value first = w.op<arith::MulIOp>(w.bitsOf(in[4]), w.constant(uint32_t(groupsPerSample)));
        Value counter = w.op<arith::AddIOp>(buildGroup(w, columns, group), first);
        Value word = buildPhilox(w,
                                 {counter, w.constant(uint32_t(op.getStream())), w.bitsOf(in[3]),
                                  w.constant(0x64726F70u)},
                                 {w.bitsOf(in[1]), w.bitsOf(in[2])});
        Value top = w.op<arith::ShRUIOp>(word, w.constant(8));
        Value unit = s.mul(arith::SIToFPOp::create(builder, s.loc, builder.getF32Type(), top),
                           s.number(0x1p-24));
        // In units of 2^-24, as u is: rounding the rate to float32 would move it.
        Value keep = s.compare(arith::CmpFPredicate::OGE, unit,
                               s.number(std::ceil(rate * 0x1p24) * 0x1p-24));
        return {s.select(keep, s.mul(in[0], s.number(1 / (1 - rate))), s.number(0))};
      })[0];
  return {reshapedTo(builder, kept, shape)};
}

} // namespace

Value danaus::reshapedTo(OpBuilder &builder, Value value, ArrayRef<int64_t> shape) {
  while (true) {
    if (nn::shapeOf(value) == shape)
      return value;
    auto reshape = value.getDefiningOp<nn::ReshapeOp>();
    if (!reshape)
      break;
    value = reshape.getInput();
  }
  auto type =
      RankedTensorType::get(shape, cast<RankedTensorType>(value.getType()).getElementType());
  return nn::ReshapeOp::create(builder, value.getLoc(), type, value);
}

FailureOr<SmallVector<Value>> danaus::formTokens(OpBuilder &builder, Operation *op) {
  using Result = FailureOr<Values>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](nn::LayerNormOp norm) -> Result { return formLayerNorm(builder, norm); })
      .Case([&](nn::LayerNormBackwardOp norm) -> Result {
        return formLayerNormBackward(builder, norm);
      })
      .Case([&](nn::LayerNormWeightBackwardOp norm) -> Result {
        return formLayerNormWeightBackward(builder, norm);
      })
      .Case([&](nn::SumLeadingOp sum) -> Result { return formSumLeading(builder, sum); })
      .Case([&](nn::MeanTokensOp mean) -> Result { return formMeanTokens(builder, mean); })
      .Case([&](nn::MeanTokensBackwardOp mean) -> Result {
        return formMeanTokensBackward(builder, mean);
      })
      .Case([&](nn::DropoutOp dropout) -> Result { return formDropout(builder, dropout); })
      .Case([&](nn::AttentionOp attention) -> Result {
        return Values(kernel::AttentionOp::create(builder, op->getLoc(), op->getResultTypes(),
                                                  attention.getQuery(), attention.getKey(),
                                                  attention.getValue(), attention.getHeadsAttr(),
                                                  DenseI64ArrayAttr(), TypeAttr())
                          .getResults());
      })
      .Case([&](nn::AttentionBackwardOp attention) -> Result {
        return Values(kernel::AttentionBackwardOp::create(
                          builder, op->getLoc(), op->getResultTypes(), attention.getQuery(),
                          attention.getKey(), attention.getValue(), attention.getResult(),
                          attention.getLogsumexp(), attention.getGradient(),
                          attention.getHeadsAttr(), DenseI64ArrayAttr(), TypeAttr())
                          .getResults());
      })
      .Default([](Operation *) -> Result { return failure(); });
}
