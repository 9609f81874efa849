// Attention on the matrix unit, one kernel at a time, against sums in double: sizes that end inside
// tiles of 16, blocks of 32 and steps of K, one and several tiles of queries and keys. Operands
// rounded to bfloat16 are known exactly, and so is how far rounding moves what the kernel makes of
// them; without the unit everything is as exact as float32. Scratch is NaN before each call.
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "test/compiler/target/CodeTesting.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

using namespace danaus;
using namespace danaus::test;

namespace {

struct Shape {
  int64_t batch, tokens, heads, headSize, queries, keys; ///< of a tile
  int64_t size() const { return batch * tokens * heads * headSize; }
  int64_t rows() const { return batch * heads * tokens; }
  int64_t at(int64_t b, int64_t h, int64_t t, int64_t c) const {
    return ((b * tokens + t) * heads + h) * headSize + c;
  }
  int64_t row(int64_t b, int64_t h, int64_t t) const { return (b * heads + h) * tokens + t; }
};

/// What the kernel multiplies with: bfloat16 on the matrix unit, or float32.
enum class Unit { Matrix, Vectors };

/// Float32 as arenas hold them: at a cache line.
template <typename T> struct AtLine {
  using value_type = T;
  AtLine() = default;
  template <typename U> AtLine(const AtLine<U> &) {}
  T *allocate(size_t count) {
    return static_cast<T *>(::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T *memory, size_t) { ::operator delete(memory, std::align_val_t(64)); }
  template <typename U> bool operator==(const AtLine<U> &) const { return true; }
};
using Floats = std::vector<float, AtLine<float>>;

constexpr int64_t slack = 64; ///< whole-vector loads may touch what follows
constexpr float untouched = -77;

std::string textOf(const Shape &s, Unit unit, const std::string &operation, int64_t tensors,
                   const std::string &operands, const std::string &results) {
  std::string t = "tensor<" + std::to_string(s.batch) + "x" + std::to_string(s.tokens) + "x" +
                  std::to_string(s.heads * s.headSize) + "xf32>";
  std::string l = "tensor<" + std::to_string(s.batch) + "x" + std::to_string(s.heads) + "x" +
                  std::to_string(s.tokens) + "xf32>";
  auto replaced = [&](const std::string &form) { // T: as queries; L: as the sums of rows
    std::string text;
    for (char c : form)
      text += c == 'T' ? t : c == 'L' ? l : std::string(1, c);
    return text;
  };
  std::string parameters, names, types = replaced(operands);
  for (int64_t i = 0, at = 0; i < tensors; ++i) {
    size_t end = operands.find(',', at);
    std::string own = replaced(operands.substr(at, end - at)), name = "%a" + std::to_string(i);
    parameters += (i ? ", " : "") + name + ": " + own;
    names += (i ? ", " : "") + name;
    at = end + 1;
  }
  int64_t count = 1 + std::count(results.begin(), results.end(), ',');
  std::string made;
  for (int64_t i = 0; i < count; ++i)
    made += (i ? ", %r#" : "%r#") + std::to_string(i);
  return "func.func private @k(" + parameters + ") -> (" + replaced(results) +
         ") attributes {plan.kind = \"" + operation + "\"} {\n%r:" + std::to_string(count) +
         " = kernel." + operation + " " + names + " heads " + std::to_string(s.heads) + " tile [" +
         std::to_string(s.queries) + ", " + std::to_string(s.keys) + "]" +
         (unit == Unit::Matrix ? " products bf16" : "") +
         (unit == Unit::Vectors ? "" : " matrix_unit") + " : (" + types + ") -> (" +
         replaced(results) + ")\nreturn " + made + " : " + replaced(results) + "\n}\n";
}

float rounded(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  bits += 0x7FFF + (bits >> 16 & 1);
  return std::bit_cast<float>(bits & 0xFFFF0000);
}

/// A value, the sum of the sizes of the terms that it is made of, and the same before differences
/// were taken, times the sizes of scores: what rounding to bfloat16 and to float32 is relative to.
struct Sum {
  double value = 0, size = 0, whole = 0;
  void add(double term, double wholeTerm) {
    value += term, size += std::fabs(term), whole += std::fabs(wholeTerm);
  }
};

struct Attention {
  Shape s;
  Unit unit;
  Floats q, k, v, gradient, result, logsumexp;
  std::vector<Sum> wanted, wantedRows, wantedQ, wantedK, wantedV;

  Attention(const Shape &shape, Unit unit, float spread) : s(shape), unit(unit) {
    std::mt19937 random(unsigned(s.tokens * 31 + s.headSize));
    for (auto *tensor : {&q, &k, &v, &gradient}) {
      tensor->resize(s.size() + slack, NAN);
      for (int64_t i = 0; i < s.size(); ++i)
        (*tensor)[i] = spread * float(random() / 2147483648.0 - 1);
    }
    compute();
  }

  double operand(const Floats &from, int64_t at) const {
    return unit == Unit::Matrix ? rounded(from[at]) : from[at];
  }
  double scale() const { return 1 / std::sqrt(double(s.headSize)); }

  void compute() {
    wanted.resize(s.size()), wantedQ = wantedK = wantedV = wanted, wantedRows.resize(s.rows());
    result.assign(s.size() + slack, 0), logsumexp.assign(s.rows() + slack, 0);
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t h = 0; h < s.heads; ++h)
        for (int64_t i = 0; i < s.tokens; ++i)
          computeRow(b, h, i);
  }

  void computeRow(int64_t b, int64_t h, int64_t i) {
    auto dot = [&](const Floats &x, const Floats &y, int64_t j) {
      Sum sum;
      for (int64_t c = 0; c < s.headSize; ++c)
        sum.add(operand(x, s.at(b, h, i, c)) * operand(y, s.at(b, h, j, c)), 0);
      return sum;
    };
    std::vector<double> p(s.tokens);
    double total = 0, most = -INFINITY, size = 1;
    for (int64_t j = 0; j < s.tokens; ++j) {
      Sum score = dot(q, k, j);
      most = std::max(most, p[j] = score.value * scale());
      size = std::max(size, 1 + score.size * scale());
    }
    for (double &value : p)
      total += value = std::exp(value - most);
    double sum = most + std::log(total);
    wantedRows[s.row(b, h, i)] = {sum, 0, size};
    logsumexp[s.row(b, h, i)] = float(sum);
    for (int64_t j = 0; j < s.tokens; ++j)
      for (int64_t c = 0; c < s.headSize; ++c) {
        double term = p[j] / total * operand(v, s.at(b, h, j, c));
        wanted[s.at(b, h, i, c)].add(term, term * size);
      }
    Sum D;
    for (int64_t c = 0; c < s.headSize; ++c) {
      int64_t at = s.at(b, h, i, c);
      result[at] = float(wanted[at].value);
      D.add(operand(gradient, at) * result[at], 0);
    }
    for (int64_t j = 0; j < s.tokens; ++j) {
      Sum dP = dot(gradient, v, j);
      double weight = p[j] / total, slope = scale() * weight * (dP.value - D.value),
             whole = scale() * weight * (dP.size + D.size) * size;
      for (int64_t c = 0; c < s.headSize; ++c) {
        int64_t own = s.at(b, h, i, c), other = s.at(b, h, j, c);
        double dO = operand(gradient, own), query = operand(q, own), key = operand(k, other);
        wantedV[other].add(weight * dO, weight * dO * size);
        wantedK[other].add(slope * query, whole * query);
        wantedQ[own].add(slope * key, whole * key);
      }
    }
  }

  /// The largest error, as a part of what bfloat16 (2^-8, half a unit of its last place) and
  /// float32 (2^-20) may leave; infinite where memory behind was written.
  double errorOf(const Floats &got, const std::vector<Sum> &wanted) const {
    double worst = 0, coarse = unit == Unit::Matrix ? 0x1p-8 : 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      double error = std::fabs(got[i] - wanted[i].value) /
                     (coarse * wanted[i].size + 0x1p-20 * wanted[i].whole + 1e-30);
      worst = !(error <= worst) ? (std::isnan(error) ? INFINITY : error) : worst;
    }
    for (size_t i = wanted.size(); i < got.size(); ++i)
      worst = got[i] == untouched ? worst : INFINITY;
    return worst;
  }

  struct Errors {
    double result, rows, q, k, v;
  };
  Errors errors() const {
    const cpu::Isa &isa = *cpu::isaNamed(unit == Unit::Vectors ? "avx512" : "amx");
    Floats result(s.size() + slack, untouched), rows(s.rows() + slack, untouched);
    auto dq = result, dk = result, dv = result;
    runKernel(textOf(s, unit, "attention", 3, "T,T,T", "T,L"), isa,
              {q.data(), k.data(), v.data(), result.data(), rows.data()});
    runKernel(textOf(s, unit, "attention_backward", 6, "T,T,T,T,L,T", "T,T,T"), isa,
              {q.data(), k.data(), v.data(), this->result.data(), logsumexp.data(), gradient.data(),
               dq.data(), dk.data(), dv.data()});
    return {errorOf(result, wanted), errorOf(rows, wantedRows), errorOf(dq, wantedQ),
            errorOf(dk, wantedK), errorOf(dv, wantedV)};
  }
};

constexpr Shape shapes[] = {
    {1, 1, 1, 1, 1, 32},       {2, 5, 3, 5, 5, 32},
    {1, 16, 2, 16, 16, 32},    {2, 17, 1, 33, 17, 32},
    {1, 50, 2, 48, 50, 64},    {1, 64, 1, 32, 64, 64},
    {1, 79, 2, 19, 79, 96},    {2, 197, 2, 96, 197, 224},
    {1, 197, 1, 64, 197, 224}, {1, 256, 1, 80, 256, 256},
    {1, 97, 2, 40, 32, 32},    {2, 131, 1, 7, 64, 96},
    {1, 40, 1, 300, 40, 64},   {1, 290, 2, 24, 160, 160},
    {64, 33, 21, 16, 33, 64}, // the last: results around the caches
};

class TileAttention : public testing::TestWithParam<Shape> {
protected:
  void SetUp() override {
    if (!cpu::hostIsa().matrixUnit)
      GTEST_SKIP() << "this processor has no matrix unit";
    ASSERT_TRUE(bool(requestMatrixTiles()));
  }
};

void expectSmall(const Attention::Errors &errors, double most) {
  EXPECT_LE(errors.result, most);
  EXPECT_LE(errors.rows, most);
  EXPECT_LE(errors.q, most);
  EXPECT_LE(errors.k, most);
  EXPECT_LE(errors.v, most);
}

/// A probability or its gradient is rounded once more, and nothing else.
TEST_P(TileAttention, IsWrongByTheRoundingOfProbabilitiesAtMost) {
  for (float spread : {1.0f, 8.0f}) { // 8: probabilities are close to 0 or 1
    SCOPED_TRACE(spread);
    expectSmall(Attention(GetParam(), Unit::Matrix, spread).errors(), 1);
  }
}

/// The same bounds hold what the registers compute to float32.
TEST_P(TileAttention, IsExactWithoutTheUnit) {
  for (float spread : {1.0f, 8.0f}) {
    SCOPED_TRACE(spread);
    expectSmall(Attention(GetParam(), Unit::Vectors, spread).errors(), 1);
  }
}

std::string nameOf(const testing::TestParamInfo<Shape> &info) {
  const Shape &s = info.param;
  return "Tokens" + std::to_string(s.tokens) + "Head" + std::to_string(s.headSize) + "Keys" +
         std::to_string(s.keys);
}
INSTANTIATE_TEST_SUITE_P(Shapes, TileAttention, testing::ValuesIn(shapes), nameOf);

} // namespace
