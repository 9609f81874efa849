// Scalar formulas of activations, cross-entropy and optimizers, in arith and math.
#include "compiler/lower/ScalarCode.h"

#include "compiler/lower/Scalar.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include <numbers>

using namespace mlir;
using namespace danaus;

namespace {

/// The tanh form's inner value u = sqrt(2/pi) (x + 0.044715 x^3).
Value tanhArgument(Scalar s, Value x) {
  Value cube = s.mul(s.mul(x, x), x);
  return s.mul(s.number(std::sqrt(2 * std::numbers::inv_pi)),
               s.add(x, s.mul(s.number(0.044715), cube)));
}

} // namespace

namespace {

/// Bit patterns of a float, or of a vector of them, as 32-bit words.
struct Words {
  OpBuilder &b;
  Location loc;
  Type type;

  Words(OpBuilder &b, Location loc, Value value) : b(b), loc(loc) {
    auto vector = dyn_cast<VectorType>(value.getType());
    type = vector ? Type(vector.clone(b.getI32Type())) : Type(b.getI32Type());
  }
  Value of(Value value) { return arith::BitcastOp::create(b, loc, type, value); }
  Value word(uint32_t number) {
    auto attribute = b.getI32IntegerAttr(int32_t(number));
    return isa<VectorType>(type)
               ? arith::ConstantOp::create(
                     b, loc, DenseElementsAttr::get(cast<ShapedType>(type), Attribute(attribute)))
               : arith::ConstantOp::create(b, loc, attribute);
  }
  /// To nearest, ties to even, without the lowest `places`: half of the last kept place, less one
  /// where that place is even; a carry moves the exponent.
  Value rounded(Value bits, unsigned places) {
    Value odd =
        arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, word(places)), word(1));
    Value half = arith::AddIOp::create(b, loc, odd, word((1u << (places - 1)) - 1));
    return arith::AndIOp::create(b, loc, arith::AddIOp::create(b, loc, bits, half),
                                 word(~0u << places));
  }
};

Value roundToBf16(OpBuilder &builder, Location loc, Value value) {
  Words words(builder, loc, value);
  Value isNan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, value, value);
  Value rounded =
      arith::BitcastOp::create(builder, loc, value.getType(), words.rounded(words.of(value), 16));
  return arith::SelectOp::create(builder, loc, isNan, value, rounded);
}

/// float16 has 10 bits behind the first one, numbers below 2^-14 are multiples of 2^-24, and from
/// 65,520 on they are infinite.
Value roundToF16(OpBuilder &builder, Location loc, Value value) {
  Words words(builder, loc, value);
  Type type = value.getType();
  auto number = [&](double constant) -> Value {
    auto attribute = builder.getF32FloatAttr(float(constant));
    auto vector = dyn_cast<VectorType>(type);
    return vector ? arith::ConstantOp::create(builder, loc,
                                              DenseElementsAttr::get(vector, Attribute(attribute)))
                  : arith::ConstantOp::create(builder, loc, attribute);
  };
  auto isLess = [&](Value a, double than) -> Value {
    return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, a, number(than));
  };
  auto select = [&](Value condition, Value a, Value c) -> Value {
    return arith::SelectOp::create(builder, loc, condition, a, c);
  };
  Value bits = words.of(value);
  Value sign = arith::AndIOp::create(builder, loc, bits, words.word(0x80000000u));
  Value size = math::AbsFOp::create(builder, loc, value);
  Value normal = arith::BitcastOp::create(builder, loc, type, words.rounded(words.of(size), 13));
  // Between 1/2 and 1 neighbours are 2^-24 apart.
  Value small = arith::SubFOp::create(
      builder, loc, arith::AddFOp::create(builder, loc, size, number(0.5)), number(0.5));
  Value infinity = number(std::numeric_limits<float>::infinity());
  Value rounded = select(isLess(size, std::ldexp(1.0, -14)), small, normal);
  rounded = select(isLess(size, 65520), rounded, infinity);
  rounded = arith::BitcastOp::create(builder, loc, type,
                                     arith::OrIOp::create(builder, loc, words.of(rounded), sign));
  Value isNan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, value, value);
  return select(isNan, value, rounded);
}

} // namespace

Value danaus::buildRound(OpBuilder &builder, Location loc, Value value, Type to) {
  return to.isF16() ? roundToF16(builder, loc, value) : roundToBf16(builder, loc, value);
}

Value danaus::buildElementwise(OpBuilder &builder, Location loc, Operation *op, ValueRange args) {
  Scalar s{builder, loc};
  Value x = args[0];
  if (auto round = dyn_cast<nn::RoundOp>(op))
    return buildRound(builder, loc, x, round.getTo());
  if (isa<nn::ReluOp>(op)) // as PyTorch: NaN stays NaN
    return s.select(s.compare(arith::CmpFPredicate::OLE, x, s.number(0)), s.number(0), x);
  if (isa<nn::ReluBackwardOp>(op))
    return s.select(s.compare(arith::CmpFPredicate::OLE, x, s.number(0)), s.number(0), args[1]);
  Value half = s.number(0.5), one = s.number(1);
  if (isa<nn::GeluOp, nn::GeluBackwardOp>(op)) {
    Value erf = math::ErfOp::create(builder, loc, s.mul(x, s.number(std::numbers::sqrt2 / 2)));
    Value cdf = s.mul(half, s.add(one, erf));
    if (isa<nn::GeluOp>(op))
      return s.mul(x, cdf);
    // d/dx x Phi(x) = Phi(x) + x phi(x)
    Value density = s.mul(s.number(std::numbers::inv_sqrtpi / std::numbers::sqrt2),
                          math::ExpOp::create(builder, loc, s.mul(s.number(-0.5), s.mul(x, x))));
    return s.mul(args[1], s.add(cdf, s.mul(x, density)));
  }
  Value t = math::TanhOp::create(builder, loc, tanhArgument(s, x));
  if (isa<nn::GeluTanhOp>(op))
    return s.mul(s.mul(half, x), s.add(one, t));
  // d/dx x/2 (1 + tanh u) = (1 + tanh u)/2 + x/2 (1 - tanh^2 u) u', u' = sqrt(2/pi) (1 + 3*0.044715
  // x^2)
  Value inner = s.mul(s.number(std::sqrt(2 * std::numbers::inv_pi)),
                      s.add(one, s.mul(s.number(3 * 0.044715), s.mul(x, x))));
  Value slope = s.mul(s.mul(s.mul(half, x), s.sub(one, s.mul(t, t))), inner);
  return s.mul(args[1], s.add(s.mul(half, s.add(one, t)), slope));
}

SmallVector<Value> danaus::buildCrossEntropy(OpBuilder &builder, Location loc, ValueRange args,
                                             int64_t classes, double smoothing) {
  Scalar s{builder, loc};
  using kernel::ReduceKind;
  Value z = args[0], label = args[1], inverseCount = args[2], zero = s.number(0);
  Value column = kernel::ColumnOp::create(builder, loc, builder.getI32Type());
  Value isLabel = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, column, label);
  Value none = arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(0));
  Value valid = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, label, none);

  Value largest = s.reduce(ReduceKind::Max, z);
  Value shifted = s.sub(z, largest);
  Value power = math::ExpOp::create(builder, loc, shifted);
  Value sum = s.reduce(ReduceKind::Add, power);
  // How much of the target is on this column, times `value`: all on the label, or mixed.
  auto onLabels = [&](Value value) {
    Value first = s.select(isLabel, value, zero);
    if (args.size() == 3)
      return first;
    Value isSecond = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, column, args[3]);
    Value rest = s.sub(s.number(1), args[4]);
    return s.add(s.mul(args[4], first), s.mul(rest, s.select(isSecond, value, zero)));
  };
  // With shifted logits: loss = log sum exp - (1-e) z_y - e/C sum z.
  Value loss = math::LogOp::create(builder, loc, sum);
  Value ofLabel = s.reduce(ReduceKind::Add, onLabels(shifted));
  loss = s.sub(loss, s.mul(s.number(1 - smoothing), ofLabel));
  if (smoothing != 0)
    loss = s.sub(loss, s.mul(s.number(smoothing / classes), s.reduce(ReduceKind::Add, shifted)));

  // The first column that holds the maximum, as argmax.
  Value position = arith::SIToFPOp::create(builder, loc, builder.getF32Type(), column);
  Value isLargest = s.compare(arith::CmpFPredicate::OEQ, z, largest);
  Value first = s.reduce(ReduceKind::Min, s.select(isLargest, position, s.number(3e38)));
  Value wanted = arith::SIToFPOp::create(builder, loc, builder.getF32Type(), label);
  Value correct = s.select(s.compare(arith::CmpFPredicate::OEQ, first, wanted), s.number(1), zero);

  Value target = onLabels(s.number(1 - smoothing));
  if (smoothing != 0)
    target = s.add(target, s.number(smoothing / classes));
  Value gradient = s.mul(s.sub(s.div(power, sum), target), inverseCount);
  return {s.select(valid, loss, zero), correct, s.select(valid, gradient, zero)};
}

Value danaus::buildAccumulate(OpBuilder &builder, Location loc, ValueRange args) {
  Scalar s{builder, loc};
  Value isFirst = s.compare(arith::CmpFPredicate::OGT, args[2], s.number(0.5));
  return s.select(isFirst, args[1], s.add(args[0], args[1]));
}

UpdateCode::UpdateCode(Operation *step, Operation *average) : step(step), average(average) {
  controlIndices =
      isa<nn::SgdStepOp>(step)
          ? SmallVector<int64_t>{control::LearningRate, control::FirstUpdate}
          : SmallVector<int64_t>{control::LearningRate, control::Correction1, control::Correction2};
  metricsIndices = {metrics::Loss};
  bool scales = step->hasAttr("scaled");
  if (scales)
    controlIndices.push_back(control::InverseScale);
  if (scales || step->getAttr("max_norm"))
    metricsIndices.push_back(metrics::GradNorm);
}

unsigned UpdateCode::stateCount() const { return step->getNumResults() - 1 + (average ? 1 : 0); }

SmallVector<Value> UpdateCode::build(OpBuilder &builder, Location loc, ValueRange args) const {
  Scalar s{builder, loc};
  auto number = [&](StringRef name) {
    return step->getAttrOfType<FloatAttr>(name).getValueAsDouble();
  };
  unsigned states = stateCount();
  bool hasVelocity = step->getNumResults() > 1; // of sgd
  Value p = args[0], g = args[1], lr = args[2 + states];
  Value loss = args[2 + states + controlIndices.size()];
  auto isFinite = [&](Value value) {
    return s.compare(arith::CmpFPredicate::OLT, math::AbsFOp::create(builder, loc, value),
                     s.number(std::numeric_limits<float>::infinity()));
  };
  Value finite = isFinite(loss);
  if (step->hasAttr("scaled")) {
    finite = arith::AndIOp::create(builder, loc, finite, isFinite(args.back()));
    g = s.mul(g, args[1 + states + controlIndices.size()]);
  }
  if (step->getAttr("max_norm")) { // as torch.nn.utils.clip_grad_norm_
    Value scale = s.div(s.number(number("max_norm")), s.add(args.back(), s.number(1e-6)));
    g = s.mul(
        g, s.select(s.compare(arith::CmpFPredicate::OLT, scale, s.number(1)), scale, s.number(1)));
  }
  double decay = number("weight_decay");
  Value decayed = p;
  if (decay != 0 && step->getAttr("decoupled"))
    decayed = s.mul(p, s.sub(s.number(1), s.mul(lr, s.number(decay))));
  else if (decay != 0)
    g = s.add(g, s.mul(s.number(decay), p));

  SmallVector<Value> updated;
  if (isa<nn::SgdStepOp>(step)) {
    Value velocity = g;
    if (hasVelocity) {
      Value first = s.compare(arith::CmpFPredicate::OGT, args[3 + states], s.number(0.5));
      velocity = s.select(first, g, s.add(s.mul(s.number(number("momentum")), args[2]), g));
    }
    updated = {s.sub(decayed, s.mul(lr, velocity))};
    if (hasVelocity)
      updated.push_back(velocity);
  } else {
    double beta1 = number("beta1"), beta2 = number("beta2");
    Value m = s.add(s.mul(s.number(beta1), args[2]), s.mul(s.number(1 - beta1), g));
    Value v = s.add(s.mul(s.number(beta2), args[3]), s.mul(s.number(1 - beta2), s.mul(g, g)));
    Value root = math::SqrtOp::create(builder, loc, v);
    Value denominator = s.add(s.mul(root, args[4 + states]), s.number(number("epsilon")));
    Value rate = s.mul(lr, args[3 + states]);
    updated = {s.sub(decayed, s.div(s.mul(rate, m), denominator)), m, v};
  }
  if (average) {
    double keep = cast<nn::EmaStepOp>(average).getDecay().convertToDouble();
    updated.push_back(
        s.add(s.mul(s.number(keep), args[1 + states]), s.mul(s.number(1 - keep), updated[0])));
  }
  SmallVector<Value> old{p};
  old.append(args.begin() + 2, args.begin() + 2 + states);
  for (auto [value, before] : llvm::zip(updated, old))
    value = s.select(finite, value, before);
  return updated;
}
