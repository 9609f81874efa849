// Single instructions from hand-written PTX against computed values, with numbers at the edges.
#include "test/runtime/vgpu/EngineTesting.h"

#include <bit>
#include <cmath>
#include <functional>

using namespace danaus;
using namespace danaus::test;

namespace {

/// A kernel that applies one instruction to each thread's a, b, c (of `bytes` bytes) and stores d.
std::string kernelOf(const std::string &instruction, const std::string &in,
                     const std::string &out) {
  auto prefix = [](const std::string &type) {
    return type == "b64" ? "%rd" : type == "b16" ? "%rs" : "%r";
  };
  std::string i = prefix(in), o = std::string(prefix(out)) + "4";
  std::string bytes = in == "b64"   ? "8"
                      : in == "b16" ? "2"
                                    : "4",
              outBytes = out == "b64"   ? "8"
                         : out == "b16" ? "2"
                                        : "4";
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 "
                     "p0, .param .u64 p1, "
                     ".param .u64 p2, .param .u64 p3)\n{\n.reg .b64 %rd<20>;\n.reg .b32 "
                     "%r<20>;\n.reg .b16 %rs<20>;\n"
                     ".reg .pred %p<3>;\nmov.u32 %r10, %tid.x;\n";
  const char *names[] = {"p0", "p1", "p2"};
  for (int n = 0; n < 3; ++n)
    text += std::string("ld.param.u64 %rd10, [") + names[n] + "];\nmul.wide.u32 %rd11, %r10, " +
            bytes + ";\nadd.s64 %rd10, %rd10, %rd11;\nld.global." + in + " " + i +
            std::to_string(n + 1) + ", [%rd10];\n";
  return text + instruction + "\nld.param.u64 %rd10, [p3];\nmul.wide.u32 %rd11, %r10, " + outBytes +
         ";\nadd.s64 %rd10, %rd10, %rd11;\nst.global." + out + " [%rd10], " + o + ";\nret;\n}\n";
}

template <typename In, typename Out>
void expectInstruction(const std::string &instruction, const std::string &in,
                       const std::string &out, const std::vector<In> &edges,
                       const std::function<Out(In, In, In)> &wanted) {
  SCOPED_TRACE(instruction);
  std::vector<In> a, b, c;
  for (In x : edges)
    for (In y : edges) {
      a.push_back(x);
      b.push_back(y);
      c.push_back(edges[(a.size() * 7) % edges.size()]);
    }
  size_t count = std::min<size_t>(a.size(), 1024);
  Gpu gpu;
  uint64_t d = gpu.allocate(count * sizeof(Out));
  std::vector<uint64_t> pointers{gpu.upload(a), gpu.upload(b), gpu.upload(c), d};
  Status status = gpu.launch(kernelOf(instruction, in, out), "k", 1, unsigned(count), pointers);
  ASSERT_TRUE(bool(status)) << status.error().message();
  auto got = gpu.download<Out>(d, count);
  for (size_t i = 0; i < count; ++i) {
    Out expected = wanted(a[i], b[i], c[i]);
    bool isSame = std::memcmp(&got[i], &expected, sizeof(Out)) == 0;
    if constexpr (std::is_floating_point_v<Out>)
      isSame |= std::isnan(got[i]) && std::isnan(expected);
    EXPECT_TRUE(isSame) << +got[i] << " instead of " << +expected << " for " << +a[i] << ", "
                        << +b[i] << ", " << +c[i];
  }
  EXPECT_TRUE(gpu.memory.takeFindings().empty());
}

const std::vector<uint32_t> words{
    0,      1,      2,       3,          31,         32,         33,         0x7F,       0xFF,
    0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF, 123456789};
const std::vector<float> floats{0.0f,     -0.0f,    1.0f,        -1.5f,    2.5f,     0.5f,
                                3.0e-40f, 1.0e-38f, 3.4e38f,     -3.4e38f, INFINITY, -INFINITY,
                                NAN,      1.0f / 3, 16777217.0f, 123.456f};

using W3 = std::function<uint32_t(uint32_t, uint32_t, uint32_t)>;
void word(const std::string &instruction, const W3 &wanted) {
  expectInstruction<uint32_t, uint32_t>(instruction, "b32", "b32", words, wanted);
}
using F3 = std::function<float(float, float, float)>;
void real(const std::string &instruction, const F3 &wanted) {
  expectInstruction<float, float>(instruction, "b32", "b32", floats, wanted);
}

TEST(Instructions, Integers) {
  word("add.s32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a + b; });
  word("sub.s32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a - b; });
  word("mul.lo.s32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a * b; });
  word("mul.hi.s32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) {
    return uint32_t(int64_t(int32_t(a)) * int32_t(b) >> 32);
  });
  word("mul.hi.u32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return uint32_t(uint64_t(a) * b >> 32); });
  word("mad.lo.s32 %r4, %r1, %r2, %r3;",
       [](uint32_t a, uint32_t b, uint32_t c) { return a * b + c; });
  word("min.s32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return uint32_t(std::min(int32_t(a), int32_t(b))); });
  word("max.u32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return std::max(a, b); });
  word("and.b32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a & b; });
  word("xor.b32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a ^ b; });
  word("not.b32 %r4, %r1;", [](uint32_t a, uint32_t, uint32_t) { return ~a; });
  word("neg.s32 %r4, %r1;", [](uint32_t a, uint32_t, uint32_t) { return 0u - a; });
  word("shl.b32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return b > 31 ? 0 : a << b; });
  word("shr.u32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return b > 31 ? 0 : a >> b; });
  word("shr.s32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return uint32_t(int32_t(a) >> std::min(b, 31u)); });
  word("popc.b32 %r4, %r1;",
       [](uint32_t a, uint32_t, uint32_t) { return uint32_t(std::popcount(a)); });
  word("brev.b32 %r4, %r1;", [](uint32_t a, uint32_t, uint32_t) {
    uint32_t wanted = 0;
    for (int i = 0; i < 32; ++i)
      wanted |= (a >> i & 1) << (31 - i);
    return wanted;
  });
  word("clz.b32 %r4, %r1;",
       [](uint32_t a, uint32_t, uint32_t) { return uint32_t(std::countl_zero(a)); });
  word("bfi.b32 %r4, %r1, %r2, 8, 12;",
       [](uint32_t a, uint32_t b, uint32_t) { return (b & ~0xFFF00u) | (a << 8 & 0xFFF00u); });
  word("bfe.u32 %r4, %r1, 4, 10;", [](uint32_t a, uint32_t, uint32_t) { return a >> 4 & 0x3FF; });
  word("prmt.b32 %r4, %r1, %r2, 21554;", [](uint32_t a, uint32_t b, uint32_t) {
    // 0x5432: bytes 2, 3 of a, then 0, 1 of b.
    return (a >> 16 & 0xFF) | (a >> 24) << 8 | (b & 0xFF) << 16 | (b >> 8 & 0xFF) << 24;
  });
  word("shf.l.wrap.b32 %r4, %r1, %r2, 5;",
       [](uint32_t a, uint32_t b, uint32_t) { return b << 5 | a >> 27; });
}

TEST(Instructions, WideIntegers) {
  expectInstruction<uint32_t, uint64_t>(
      "mul.wide.s32 %rd4, %r1, %r2;", "b32", "b64", words,
      [](uint32_t a, uint32_t b, uint32_t) { return uint64_t(int64_t(int32_t(a)) * int32_t(b)); });
  expectInstruction<uint32_t, uint64_t>(
      "cvt.s64.s32 %rd4, %r1;", "b32", "b64", words,
      [](uint32_t a, uint32_t, uint32_t) { return uint64_t(int64_t(int32_t(a))); });
  expectInstruction<uint32_t, uint64_t>(
      "mad.wide.u32 %rd4, %r1, %r2, 77;", "b32", "b64", words,
      [](uint32_t a, uint32_t b, uint32_t) { return uint64_t(a) * b + 77; });
  std::vector<uint64_t> longs{
      0, 1, 63, 64, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, ~uint64_t(0)};
  expectInstruction<uint64_t, uint64_t>("add.s64 %rd4, %rd1, %rd2;", "b64", "b64", longs,
                                        [](uint64_t a, uint64_t b, uint64_t) { return a + b; });
  expectInstruction<uint64_t, uint64_t>("mul.lo.s64 %rd4, %rd1, %rd2;", "b64", "b64", longs,
                                        [](uint64_t a, uint64_t b, uint64_t) { return a * b; });
  expectInstruction<uint64_t, uint32_t>("cvt.u32.u64 %r4, %rd1;", "b64", "b32", longs,
                                        [](uint64_t a, uint64_t, uint64_t) { return uint32_t(a); });
  std::vector<uint16_t> halves{0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 0x1234};
  expectInstruction<uint16_t, uint16_t>(
      "sub.s16 %rs4, %rs1, %rs2;", "b16", "b16", halves,
      [](uint16_t a, uint16_t b, uint16_t) { return uint16_t(a - b); });
  expectInstruction<uint16_t, uint32_t>(
      "mul.wide.u16 %r4, %rs1, %rs2;", "b16", "b32", halves,
      [](uint16_t a, uint16_t b, uint16_t) { return uint32_t(a) * b; });
}

TEST(Instructions, Floats) {
  real("add.f32 %r4, %r1, %r2;", [](float a, float b, float) { return a + b; });
  real("mul.f32 %r4, %r1, %r2;", [](float a, float b, float) { return a * b; });
  real("fma.rn.f32 %r4, %r1, %r2, %r3;",
       [](float a, float b, float c) { return std::fma(a, b, c); });
  real("div.rn.f32 %r4, %r1, %r2;", [](float a, float b, float) { return a / b; });
  real("sqrt.rn.f32 %r4, %r1;", [](float a, float, float) { return std::sqrt(a); });
  real("abs.f32 %r4, %r1;", [](float a, float, float) { return std::fabs(a); });
  real("max.f32 %r4, %r1, %r2;", [](float a, float b, float) {
    return std::isnan(a)   ? b
           : std::isnan(b) ? a
           : a == b        ? (std::signbit(a) ? b : a)
                           : std::max(a, b);
  });
  real("cvt.rzi.f32.f32 %r4, %r1;", [](float a, float, float) { return std::trunc(a); });
  expectInstruction<float, uint32_t>("cvt.rzi.s32.f32 %r4, %r1;", "b32", "b32", floats,
                                     [](float a, float, float) {
                                       return std::isnan(a)   ? 0u
                                              : a >= 0x1p31f  ? 0x7FFFFFFFu
                                              : a <= -0x1p31f ? 0x80000000u
                                                              : uint32_t(int32_t(a));
                                     });
  expectInstruction<uint32_t, float>(
      "cvt.rn.f32.s32 %r4, %r1;", "b32", "b32", words,
      [](uint32_t a, uint32_t, uint32_t) { return float(int32_t(a)); });
  expectInstruction<float, uint32_t>("{ .reg .b16 x; cvt.rn.bf16.f32 x, %r1; cvt.u32.u16 %r4, x; }",
                                     "b32", "b32", floats, [](float a, float, float) {
                                       uint32_t bits = std::bit_cast<uint32_t>(a);
                                       return std::isnan(a)
                                                  ? 0x7FFFu
                                                  : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
                                     });
}

TEST(Instructions, Predicates) {
  auto truth = [](const std::string &comparison, std::function<bool(float, float)> wanted) {
    expectInstruction<float, uint32_t>(
        "setp." + comparison + ".f32 %p1, %r1, %r2;\nselp.b32 %r4, 1, 0, %p1;", "b32", "b32",
        floats, [=](float a, float b, float) { return uint32_t(wanted(a, b)); });
  };
  truth("lt", [](float a, float b) { return a < b; });
  truth("neu", [](float a, float b) { return a != b; });
  truth("ne", [](float a, float b) { return a < b || a > b; });
  truth("geu", [](float a, float b) { return !(a < b); });
  truth("nan", [](float a, float b) { return std::isnan(a) || std::isnan(b); });
  word(
      "setp.lt.s32 %p1, %r1, %r2;\nsetp.ne.and.s32 %p2, %r1, 0, %p1;\n@!%p2 mov.u32 %r4, 7;\n@%p2 "
      "mov.u32 %r4, 9;",
      [](uint32_t a, uint32_t b, uint32_t) { return int32_t(a) < int32_t(b) && a != 0 ? 9u : 7u; });
}

/// Comparisons by name, of floats, words and halves; u forms are true where one is NaN.
TEST(Instructions, Comparisons) {
  auto result = [](const std::string &comparison, const std::string &type) {
    return "setp." + comparison + "." + type + " %p1, %r1, %r2;\nselp.b32 %r4, 1, 0, %p1;";
  };
  using FloatTest = bool (*)(float, float);
  for (auto [name, wanted] : std::initializer_list<std::pair<const char *, FloatTest>>{
           {"eq", [](float a, float b) { return a == b; }},
           {"lt", [](float a, float b) { return a < b; }},
           {"le", [](float a, float b) { return a <= b; }},
           {"gt", [](float a, float b) { return a > b; }},
           {"ge", [](float a, float b) { return a >= b; }},
           {"ltu", [](float a, float b) { return !(a >= b); }},
           {"gtu", [](float a, float b) { return !(a <= b); }},
           {"num", [](float a, float b) { return a == a && b == b; }}})
    expectInstruction<float, uint32_t>(
        result(name, "f32"), "b32", "b32", floats,
        [wanted = wanted](float a, float b, float) { return uint32_t(wanted(a, b)); });
  using WordTest = bool (*)(uint32_t, uint32_t);
  for (auto [name, type, wanted] :
       std::initializer_list<std::tuple<const char *, const char *, WordTest>>{
           {"eq", "b32", [](uint32_t a, uint32_t b) { return a == b; }},
           {"eq", "s32", [](uint32_t a, uint32_t b) { return a == b; }},
           {"ne", "s32", [](uint32_t a, uint32_t b) { return a != b; }},
           {"gt", "s32", [](uint32_t a, uint32_t b) { return int32_t(a) > int32_t(b); }},
           {"ge", "s32", [](uint32_t a, uint32_t b) { return int32_t(a) >= int32_t(b); }},
           {"lt", "u32", [](uint32_t a, uint32_t b) { return a < b; }},
           {"gt", "u32", [](uint32_t a, uint32_t b) { return a > b; }},
           {"ge", "u32", [](uint32_t a, uint32_t b) { return a >= b; }}})
    word(result(name, type),
         [wanted = wanted](uint32_t a, uint32_t b, uint32_t) { return uint32_t(wanted(a, b)); });
  // Predicates with each other.
  word("setp.ne.s32 %p1, %r1, 0;\nsetp.lt.u32 %p2, %r2, 100;\nand.pred %p0, %p1, %p2;\n"
       "selp.b32 %r4, 1, 0, %p0;\nor.pred %p0, %p1, %p2;\nselp.b32 %r5, 2, 0, %p0;\n"
       "xor.pred %p0, %p1, %p2;\nselp.b32 %r6, 4, 0, %p0;\nnot.pred %p0, %p1;\n"
       "selp.b32 %r7, 8, 0, %p0;\nmov.pred %p1, %p2;\nselp.b32 %r8, 16, 0, %p1;\n"
       "or.b32 %r4, %r4, %r5;\nor.b32 %r4, %r4, %r6;\nor.b32 %r4, %r4, %r7;\nor.b32 %r4, %r4, %r8;",
       [](uint32_t a, uint32_t b, uint32_t) {
         bool p = a != 0, q = b < 100;
         return uint32_t(p && q) | uint32_t(p || q) << 1 | uint32_t(p != q) << 2 |
                uint32_t(!p) << 3 | uint32_t(q) << 4;
       });
}

TEST(Instructions, LongsAndHalves) {
  std::vector<uint64_t> longs{0, 1, 5, 63, 64, 0xFFFFFFFF, 0x100000000, 0x8000000000000000, ~0ull};
  using L3 = uint64_t (*)(uint64_t, uint64_t, uint64_t);
  for (auto [text, wanted] : std::initializer_list<std::pair<const char *, L3>>{
           {"and.b64 %rd4, %rd1, %rd2;", [](uint64_t a, uint64_t b, uint64_t) { return a & b; }},
           {"or.b64 %rd4, %rd1, %rd2;", [](uint64_t a, uint64_t b, uint64_t) { return a | b; }},
           {"add.u64 %rd4, %rd1, %rd2;", [](uint64_t a, uint64_t b, uint64_t) { return a + b; }},
           {"min.u64 %rd4, %rd1, %rd2;",
            [](uint64_t a, uint64_t b, uint64_t) { return std::min(a, b); }},
           {"shl.b64 %rd4, %rd1, 7;", [](uint64_t a, uint64_t, uint64_t) { return a << 7; }},
           {"shr.u64 %rd4, %rd1, 33;", [](uint64_t a, uint64_t, uint64_t) { return a >> 33; }},
           {"setp.lt.u64 %p1, %rd1, %rd2;\nselp.b64 %rd4, %rd1, %rd3, %p1;",
            [](uint64_t a, uint64_t b, uint64_t c) { return a < b ? a : c; }}})
    expectInstruction<uint64_t, uint64_t>(text, "b64", "b64", longs, wanted);
  std::vector<uint16_t> halves{0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 0x1234};
  using H3 = uint16_t (*)(uint16_t, uint16_t, uint16_t);
  for (auto [text, wanted] : std::initializer_list<std::pair<const char *, H3>>{
           {"and.b16 %rs4, %rs1, %rs2;",
            [](uint16_t a, uint16_t b, uint16_t) { return uint16_t(a & b); }},
           {"add.s16 %rs4, %rs1, %rs2;",
            [](uint16_t a, uint16_t b, uint16_t) { return uint16_t(a + b); }},
           {"mul.lo.s16 %rs4, %rs1, %rs2;",
            [](uint16_t a, uint16_t b, uint16_t) { return uint16_t(uint32_t(a) * b); }},
           {"mad.lo.s16 %rs4, %rs1, %rs2, %rs3;",
            [](uint16_t a, uint16_t b, uint16_t c) { return uint16_t(uint32_t(a) * b + c); }},
           {"mul.hi.u16 %rs4, %rs1, %rs2;",
            [](uint16_t a, uint16_t b, uint16_t) { return uint16_t(uint32_t(a) * b >> 16); }},
           {"shl.b16 %rs4, %rs1, 3;",
            [](uint16_t a, uint16_t, uint16_t) { return uint16_t(a << 3); }},
           {"shr.u16 %rs4, %rs1, 3;",
            [](uint16_t a, uint16_t, uint16_t) { return uint16_t(a >> 3); }},
           {"setp.gt.u16 %p1, %rs1, %rs2;\nselp.b16 %rs4, %rs1, %rs2, %p1;",
            [](uint16_t a, uint16_t b, uint16_t) { return std::max(a, b); }}})
    expectInstruction<uint16_t, uint16_t>(text, "b16", "b16", halves, wanted);
  word("cvt.u16.u32 %rs1, %r1;\ncvt.u32.u16 %r4, %rs1;",
       [](uint32_t a, uint32_t, uint32_t) { return a & 0xFFFF; });
  expectInstruction<uint32_t, uint64_t>("cvt.u64.u32 %rd4, %r1;", "b32", "b64", words,
                                        [](uint32_t a, uint32_t, uint32_t) { return uint64_t(a); });
  expectInstruction<uint32_t, uint64_t>(
      "mov.b64 %rd4, {%r1, %r2};", "b32", "b64", words,
      [](uint32_t a, uint32_t b, uint32_t) { return uint64_t(b) << 32 | a; });
  word("mov.b32 {%rs1, %rs2}, %r1;\nmov.b32 %r4, {%rs2, %rs1};",
       [](uint32_t a, uint32_t, uint32_t) { return a << 16 | a >> 16; });
  word("max.s32 %r4, %r1, %r2;",
       [](uint32_t a, uint32_t b, uint32_t) { return uint32_t(std::max(int32_t(a), int32_t(b))); });
  word("min.u32 %r4, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return std::min(a, b); });
  expectInstruction<uint32_t, float>("cvt.rn.f32.u32 %r4, %r1;", "b32", "b32", words,
                                     [](uint32_t a, uint32_t, uint32_t) { return float(a); });
  real("sub.f32 %r4, %r1, %r2;", [](float a, float b, float) { return a - b; });
  real("neg.f32 %r4, %r1;", [](float a, float, float) { return -a; });
  real("min.f32 %r4, %r1, %r2;", [](float a, float b, float) {
    return std::isnan(a)   ? b
           : std::isnan(b) ? a
           : a == b        ? (std::signbit(a) ? a : b)
                           : std::min(a, b);
  });
  // Rounded down: the largest float that is not above the exact result.
  real("fma.rm.f32 %r4, %r1, %r2, 0f00000000;", [](float a, float b, float) {
    double exact = double(a) * double(b); // 24 + 24 bits
    float near = float(exact);
    if (std::isnan(exact) || std::isinf(a) || std::isinf(b))
      return float(exact + 0.0);
    if (double(near) > exact)
      near = std::nextafter(near, -INFINITY);
    return near == 0 && exact == 0 ? (std::signbit(near) ? -0.0f : 0.0f) : near;
  });
}

/// An array that is indexed at run time lies in local memory; also through a generic pointer.
TEST(Instructions, LocalMemory) {
  std::string text =
      ".version 7.8\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 out) {\n"
      ".local .align 8 .b8 depot[32];\n.reg .b64 %rd<9>;\n.reg .b32 %r<9>;\n"
      "mov.u32 %r1, %tid.x;\nmov.u64 %rd1, depot;\ncvta.local.u64 %rd2, %rd1;\n"
      "and.b32 %r2, %r1, 7;\nmul.wide.u32 %rd3, %r2, 4;\nadd.s64 %rd4, %rd1, %rd3;\n"
      "add.s64 %rd5, %rd2, %rd3;\nst.local.u32 [%rd4], %r1;\nld.u32 %r3, [%rd5];\n"
      "add.s32 %r3, %r3, 100;\nst.u32 [%rd5], %r3;\nld.local.u32 %r4, [%rd4];\n"
      "ld.param.u64 %rd6, [out];\nmul.wide.u32 %rd7, %r1, 4;\nadd.s64 %rd8, %rd6, %rd7;\n"
      "LAST;\nst.global.u32 [%rd8], %r4;\nret;\n}\n";
  auto with = [&](const std::string &last) {
    std::string own = text;
    return own.replace(own.find("LAST;"), 5, last);
  };
  Gpu gpu;
  uint64_t out = gpu.upload(std::vector<uint32_t>(40));
  Status status = gpu.launch(with(""), "k", 1, 40, {out});
  ASSERT_TRUE(bool(status)) << status.error().message();
  auto values = gpu.download<uint32_t>(out, 40);
  for (uint32_t i = 0; i < 40; ++i)
    EXPECT_EQ(values[i], 100 + i);
  EXPECT_TRUE(gpu.memory.takeFindings().empty());
  status = gpu.launch(with("ld.local.u32 %r4, [%rd1+32];"), "k", 1, 40, {out});
  ASSERT_FALSE(bool(status));
  EXPECT_NE(status.error().message().find("local address 32, and a thread has 32 bytes"),
            std::string::npos);
  (void)gpu.memory.takeFindings();
  (void)bool(gpu.launch(with("xor.b32 %r2, %r2, 1;\nmul.wide.u32 %rd3, %r2, 4;\nadd.s64 %rd4, "
                             "%rd1, %rd3;\nld.local.u32 %r4, [%rd4];"),
                        "k", 1, 40, {out}));
  auto findings = gpu.memory.takeFindings();
  ASSERT_FALSE(findings.empty());
  EXPECT_NE(findings[0].text.find("reads local memory that it has not written"), std::string::npos);
}

TEST(Instructions, WhatIsNotThereIsNamed) {
  Gpu gpu(75);
  std::string text = kernelOf("lop3.b32 %r4, %r1, %r2, %r3, 128;", "b32", "b32");
  text.replace(text.find("sm_80"), 5, "sm_75");
  Status status = gpu.launch(text, "k", 1, 32, {0, 0, 0, 0});
  ASSERT_FALSE(bool(status));
  EXPECT_NE(status.error().message().find(
                "this instruction is not implemented by the virtual GPU: lop3.b32"),
            std::string::npos)
      << status.error().message();
  EXPECT_EQ(status.error().message().find("PTX line "), 0u);

  status = gpu.launch(kernelOf("mov.u32 %r4, %r1;", "b32", "b32"), "k", 1, 32, {0, 0, 0, 0});
  EXPECT_EQ(status.error().message(),
            "the PTX is for sm_80 and newer, and this virtual GPU is sm_75");

  Gpu newer;
  status = newer.launch(kernelOf("mov.u32 %r4, %nosuch;", "b32", "b32"), "k", 1, 32, {0, 0, 0, 0});
  EXPECT_NE(status.error().message().find("'%nosuch' is not declared"), std::string::npos)
      << status.error().message();
  status = newer.launch(kernelOf("mov.u32 %r4, %r1;", "b32", "b32"), "other", 1, 32, {0, 0, 0, 0});
  EXPECT_EQ(status.error().message(), "the module has no kernel 'other'");
  status = newer.launch(kernelOf("mov.u32 %r4, %r1;", "b32", "b32"), "k", 1, 2048, {0, 0, 0, 0});
  EXPECT_EQ(status.error().message(), "launching k: 2048 threads in a block");
}

} // namespace
