// cpu-expand-math: exp, log, tanh and erf of float32 scalars and vectors as polynomials, without a
// branch: 2 ulp on every instruction set (docs/Performance.md has the table), infinities, NaN,
// signed zeros and denormals as in C. Coefficients are in MathCoefficients.h.
#include "compiler/Passes.h"
#include "compiler/target/cpu/Isa.h"
#include "compiler/target/cpu/MathCoefficients.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <limits>

namespace danaus {
#define GEN_PASS_DEF_CPUEXPANDMATH
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// Adding it rounds a float32 to an integer, which then stands in the low bits of the sum.
constexpr float Rounder = 12582912.0f; // 1.5 * 2^23

/// ln(2) in two parts; the first has 10 bits, so that its product with an exponent is exact.
constexpr float Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;

/// Arithmetic on values of one type, float32 or a vector of it.
class Formula {
public:
  Formula(OpBuilder &b, Location loc, Type type, const Isa &isa)
      : b(b), loc(loc), type(type), isa(isa) {}

  Value exp(Value x) {
    // Beyond these bounds the result is 0 and infinity all the same; NaN passes.
    return expBounded(clampAbove(clampBelow(x, -104.0f), 89.0f));
  }

  Value log(Value x) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    constexpr int32_t rootOfHalf = 0x3F3504F3;
    Value isTiny = less(x, number(std::numeric_limits<float>::min()));
    Value normal = select(isTiny, mul(x, number(8388608.0f)), x); // 2^23
    // x = 2^exponent (1 + f), sqrt(1/2) <= 1 + f < sqrt(2)
    Value bits = subI(bitsOf(normal), integer(rootOfHalf));
    Value exponent = toFloat(shiftRight(bits, 23));
    exponent = sub(exponent, select(isTiny, number(23), number(0)));
    Value mantissa = arith::AndIOp::create(b, loc, bits, integer(0x007FFFFF));
    Value f = sub(floatOf(addI(mantissa, integer(rootOfHalf))), number(1));
    Value square = mul(f, f);
    Value tail = mul(mul(square, f), polynomial(coefficients::Log, f));
    tail = multiplyAdd(exponent, number(Ln2Low), tail);
    tail = multiplyAdd(number(-0.5f), square, tail);
    Value result = multiplyAdd(exponent, number(Ln2High), add(f, tail));
    result = select(compare(arith::CmpFPredicate::OEQ, x, number(inf)), x, result);
    result = select(compare(arith::CmpFPredicate::OEQ, x, number(0)), number(-inf), result);
    // Neither above nor at 0: negative or NaN.
    Value outside = compare(arith::CmpFPredicate::ULT, x, number(0));
    return select(outside, number(std::numeric_limits<float>::quiet_NaN()), result);
  }

  Value tanh(Value x) {
    Value positive = clampAbove(absolute(x), 9.02f); // 1 from there on
    Value square = mul(positive, positive);
    Value near =
        multiplyAdd(mul(square, positive), polynomial(coefficients::Tanh, square), positive);
    // tanh = 1 - 2 / (exp(2x) + 1)
    Value power = add(expBounded(add(positive, positive)), number(1));
    Value far = sub(number(1), arith::DivFOp::create(b, loc, number(2), power));
    Value isNear = less(positive, number(coefficients::TanhBound));
    return withSignOf(select(isNear, near, far), x);
  }

  Value erf(Value x) {
    Value positive = clampAbove(absolute(x), coefficients::ErfEnd);
    auto vector = dyn_cast<VectorType>(type);
    int64_t lanes = vector && vector.getRank() == 1 ? vector.getNumElements() : 1;
    Value result;
    if (lanes == 16 && isa.width == 16)
      result = pieces(coefficients::ErfPieces16, coefficients::ErfSpacing16, positive);
    else if (lanes == 8 && isa.width >= 8)
      result = pieces(coefficients::ErfPieces8, coefficients::ErfSpacing8, positive);
    else
      result = erfInTwoRanges(positive);
    return withSignOf(result, x);
  }

private:
  /// exp for -104 <= x <= 89, or NaN: 2^n exp(r) with r = x - n ln(2).
  Value expBounded(Value x) {
    Value shifted = multiplyAdd(x, number(1.44269504f), number(Rounder));
    Value n = sub(shifted, number(Rounder));
    Value r = multiplyAdd(n, number(-Ln2High), x);
    r = multiplyAdd(n, number(-Ln2Low), r);
    Value power = multiplyAdd(mul(r, r), polynomial(coefficients::Exp, r), r);
    power = add(power, number(1));
    if (auto vector = dyn_cast<VectorType>(type);
        vector && vector.getShape() == ArrayRef<int64_t>{16} && isa.width == 16)
      return scaleByInstruction(power, n);
    // 2^n in two factors: n reaches from -150 to 128, where 2^n is no float32.
    Value bits = bitsOf(shifted), half = shiftRight(bits, 1);
    auto factor = [&](Value exponent) {
      return floatOf(addI(shiftLeft(exponent, 23), integer(0x3F800000)));
    };
    return mul(mul(power, factor(half)), factor(subI(bits, half)));
  }

  /// value * 2^n by AVX-512's vscalefps.
  Value scaleByInstruction(Value value, Value n) {
    auto constant = [&](Type type, int64_t number) -> Value {
      return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, number));
    };
    Value allLanes = constant(b.getI16Type(), -1), currentRounding = constant(b.getI32Type(), 4);
    return LLVM::CallIntrinsicOp::create(b, loc, type,
                                         b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                         ValueRange{value, n, number(0), allLanes, currentRounding})
        .getResult(0);
  }

  /// The piece whose middle is nearest: its number is a lane, its coefficients come by permutes.
  template <size_t Rows, size_t Lanes>
  Value pieces(const float (&table)[Rows][Lanes], float spacing, Value x) {
    Value shifted = multiplyAdd(x, number(1 / spacing), number(Rounder));
    Value lane = bitsOf(shifted); // a permute reads the low bits alone
    Value n = sub(shifted, number(Rounder));
    Value u = multiplyAdd(n, number(-spacing), x);
    Value sum = permuted(table[Rows - 1], lane);
    for (size_t row = Rows - 1; row-- > 1;)
      sum = multiplyAdd(sum, u, permuted(table[row], lane));
    Value isFirst = compare(arith::CmpFPredicate::OEQ, n, number(0));
    return multiplyAdd(sum, u, select(isFirst, x, permuted(table[0], lane)));
  }

  Value permuted(ArrayRef<float> table, Value lane) {
    Value values =
        arith::ConstantOp::create(b, loc, DenseElementsAttr::get(cast<ShapedType>(type), table));
    StringRef intrinsic =
        table.size() == 16 ? "llvm.x86.avx512.permvar.sf.512" : "llvm.x86.avx2.permps";
    return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(intrinsic),
                                         ValueRange{values, lane})
        .getResult(0);
  }

  Value erfInTwoRanges(Value x) {
    Value near = multiplyAdd(polynomial(coefficients::ErfNear, mul(x, x)), x, x);
    Value far = sub(number(1), expBounded(polynomial(coefficients::ErfFar, x)));
    return select(less(x, number(coefficients::ErfBound)), near, far);
  }

  /// Horner's scheme: c[0] + c[1] x + ...
  Value polynomial(ArrayRef<float> c, Value x) {
    Value sum = number(c.back());
    for (float coefficient : llvm::reverse(c.drop_back()))
      sum = multiplyAdd(sum, x, number(coefficient));
    return sum;
  }

  Value multiplyAdd(Value a, Value c, Value sum) {
    if (isa.fma)
      return math::FmaOp::create(b, loc, a, c, sum);
    return add(mul(a, c), sum);
  }
  Value add(Value a, Value c) { return arith::AddFOp::create(b, loc, a, c); }
  Value sub(Value a, Value c) { return arith::SubFOp::create(b, loc, a, c); }
  Value mul(Value a, Value c) { return arith::MulFOp::create(b, loc, a, c); }
  Value addI(Value a, Value c) { return arith::AddIOp::create(b, loc, a, c); }
  Value subI(Value a, Value c) { return arith::SubIOp::create(b, loc, a, c); }
  Value shiftLeft(Value a, int32_t by) { return arith::ShLIOp::create(b, loc, a, integer(by)); }
  Value shiftRight(Value a, int32_t by) { return arith::ShRSIOp::create(b, loc, a, integer(by)); }
  Value absolute(Value a) { return math::AbsFOp::create(b, loc, a); }
  Value withSignOf(Value a, Value sign) { return math::CopySignOp::create(b, loc, a, sign); }
  Value compare(arith::CmpFPredicate predicate, Value a, Value c) {
    return arith::CmpFOp::create(b, loc, predicate, a, c);
  }
  Value less(Value a, Value c) { return compare(arith::CmpFPredicate::OLT, a, c); }
  Value select(Value condition, Value a, Value c) {
    return arith::SelectOp::create(b, loc, condition, a, c);
  }
  /// One minps or maxps, whose second operand comes out where one is NaN.
  Value clampAbove(Value a, float bound) {
    return select(less(number(bound), a), number(bound), a);
  }
  Value clampBelow(Value a, float bound) {
    return select(compare(arith::CmpFPredicate::OGT, number(bound), a), number(bound), a);
  }

  Type like(Type element) {
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.clone(element);
    return element;
  }
  Value constant(Type type, TypedAttr value) {
    if (auto vector = dyn_cast<VectorType>(type))
      value = DenseElementsAttr::get(vector, Attribute(value));
    return arith::ConstantOp::create(b, loc, value);
  }
  Value number(float value) { return constant(type, b.getF32FloatAttr(value)); }
  Value integer(int32_t value) {
    return constant(like(b.getI32Type()), b.getI32IntegerAttr(value));
  }
  Value bitsOf(Value a) { return arith::BitcastOp::create(b, loc, like(b.getI32Type()), a); }
  Value floatOf(Value a) { return arith::BitcastOp::create(b, loc, type, a); }
  Value toFloat(Value a) { return arith::SIToFPOp::create(b, loc, type, a); }

  OpBuilder &b;
  Location loc;
  Type type;
  const Isa &isa;
};

template <typename Op, Value (Formula::*Function)(Value)> struct Expand : OpRewritePattern<Op> {
  Expand(MLIRContext *context, const Isa &isa) : OpRewritePattern<Op>(context), isa(isa) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not float32");
    Formula formula(rewriter, op.getLoc(), op.getType(), isa);
    rewriter.replaceOp(op, (formula.*Function)(op.getOperand()));
    return success();
  }
  const Isa &isa;
};

struct CpuExpandMath : danaus::impl::CpuExpandMathBase<CpuExpandMath> {
  using CpuExpandMathBase::CpuExpandMathBase;
  void runOnOperation() override {
    const Isa *isa = isaNamed(isaName);
    if (!isa) {
      getOperation()->emitError("unknown instruction set '")
          << isaName << "'; use avx512, avx2 or baseline";
      return signalPassFailure();
    }
    RewritePatternSet patterns(&getContext());
    patterns.add<Expand<math::ExpOp, &Formula::exp>, Expand<math::LogOp, &Formula::log>,
                 Expand<math::TanhOp, &Formula::tanh>, Expand<math::ErfOp, &Formula::erf>>(
        &getContext(), *isa);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
