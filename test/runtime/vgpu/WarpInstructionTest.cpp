// Instructions of a whole warp, memory accesses and conversions from hand-written PTX against
// computed values: the forms that NVRTC gives for our kernels.
#include "test/runtime/vgpu/EngineTesting.h"

#include <bit>
#include <cmath>
#include <random>

using namespace danaus;
using namespace danaus::test;

namespace {

/// One warp: `body` has the thread's number in %r0, the addresses of its words of in and out in
/// %rd0 and %rd1, of the first ones in %rd2 and %rd3, shared memory `tile` of 4 KiB, and registers
/// %r, %f, %h, %rd, %p.
std::string kernelOf(const std::string &body, const std::string &arch = "sm_80") {
  return ".version 8.0\n.target " + arch +
         "\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {\n"
         ".reg .b32 %r<40>;\n.reg .f32 %f<40>;\n.reg .b16 %h<20>;\n.reg .b64 %rd<20>;\n.reg .f64 "
         "%d<9>;\n.reg .pred %p<9>;\n.shared .align 16 .b8 tile[4096];\n"
         "mov.u32 %r0, %tid.x;\nld.param.u64 %rd2, [in];\nld.param.u64 %rd3, [out];\n"
         "mul.wide.u32 %rd4, %r0, 4;\nadd.s64 %rd0, %rd2, %rd4;\nadd.s64 %rd1, %rd3, %rd4;\n" +
         body + "\nret;\n}\n";
}

/// What 32 threads store for the words `in`, `perThread` words each.
std::vector<uint32_t> run(const std::string &body, const std::vector<uint32_t> &in,
                          size_t outWords = 32, const std::string &arch = "sm_80") {
  Gpu gpu;
  uint64_t from = gpu.upload(in), to = gpu.upload(std::vector<uint32_t>(outWords));
  Status status = gpu.launch(kernelOf(body, arch), "k", 1, 32, {from, to});
  EXPECT_TRUE(bool(status)) << body << "\n" << (status ? "" : status.error().message());
  auto findings = gpu.memory.takeFindings();
  EXPECT_TRUE(findings.empty()) << findings.front().text;
  return gpu.download<uint32_t>(to, outWords);
}

std::vector<uint32_t> randomWords(size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<uint32_t> words(count);
  for (uint32_t &word : words)
    word = random();
  return words;
}
std::vector<uint32_t> bitsOf(const std::vector<float> &values) {
  std::vector<uint32_t> bits;
  for (float value : values)
    bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

TEST(WarpInstructions, Shuffles) {
  std::vector<uint32_t> in = randomWords(32);
  auto shuffled = [&](const std::string &form) {
    return run("ld.global.u32 %r1, [%rd0];\nshfl.sync." + form +
                   ", -1;\nselp.b32 %r3, 1, 0, %p1;\nst.global.u32 [%rd1], %r2;\n"
                   "st.global.u32 [%rd1+128], %r3;",
               in, 64);
  };
  auto butterfly = shuffled("bfly.b32 %r2|%p1, %r1, 5, 31");
  auto index = shuffled("idx.b32 %r2|%p1, %r1, 3, 0x181f"); // in segments of 8
  auto up = shuffled("up.b32 %r2|%p1, %r1, 2, 0");
  auto down = shuffled("down.b32 %r2|%p1, %r1, 4, 31");
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(butterfly[i], in[i ^ 5]);
    EXPECT_EQ(index[i], in[i / 8 * 8 + 3]);
    EXPECT_EQ(up[i], in[i < 2 ? i : i - 2]);
    EXPECT_EQ(up[32 + i], uint32_t(i >= 2));
    EXPECT_EQ(down[i], in[i + 4 < 32 ? i + 4 : i]);
    EXPECT_EQ(down[32 + i], uint32_t(i + 4 < 32));
  }
}

TEST(WarpInstructions, VotesAndSums) {
  std::vector<uint32_t> in = randomWords(32);
  auto out = run("ld.global.u32 %r1, [%rd0];\nsetp.lt.s32 %p1, %r1, 0;\n"
                 "vote.sync.ballot.b32 %r2, %p1, -1;\nvote.sync.any.pred %p2, %p1, -1;\n"
                 "vote.sync.all.pred %p3, %p1, -1;\nselp.u32 %r3, 1, 0, %p2;\n"
                 "selp.b32 %r4, 1, 0, %p3;\nredux.sync.add.s32 %r5, %r1, -1;\n"
                 "redux.sync.max.u32 %r6, %r1, -1;\nredux.sync.min.s32 %r7, %r1, -1;\n"
                 "activemask.b32 %r8;\nst.global.u32 [%rd1], %r2;\nst.global.u32 [%rd1+128], %r3;\n"
                 "st.global.u32 [%rd1+256], %r4;\nst.global.u32 [%rd1+384], %r5;\n"
                 "st.global.u32 [%rd1+512], %r6;\nst.global.u32 [%rd1+640], %r7;\n"
                 "st.global.u32 [%rd1+768], %r8;",
                 in, 7 * 32);
  uint32_t ballot = 0, sum = 0, most = 0;
  int32_t least = INT32_MAX;
  for (size_t i = 0; i < 32; ++i) {
    ballot |= (in[i] >> 31) << i;
    sum += in[i];
    most = std::max(most, in[i]);
    least = std::min(least, int32_t(in[i]));
  }
  const uint32_t wanted[] = {ballot, ballot != 0, ballot == ~0u, sum, most, uint32_t(least), ~0u};
  for (size_t what = 0; what < std::size(wanted); ++what)
    for (size_t i = 0; i < 32; ++i)
      EXPECT_EQ(out[32 * what + i], wanted[what]) << what;
}

/// d = a b + c of random 16-bit numbers, fragments as the PTX ISA lays them out.
void expectProduct(const std::string &type, int k, float (*value)(uint16_t),
                   uint16_t (*rounded)(float), const std::string &arch) {
  SCOPED_TRACE(type + std::to_string(k));
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<std::vector<uint16_t>> a(16, std::vector<uint16_t>(size_t(k))),
      b(size_t(k), std::vector<uint16_t>(8));
  float c[16][8];
  for (auto *matrix : {&a, &b})
    for (auto &row : *matrix)
      for (uint16_t &element : row)
        element = rounded(uniform(random));
  for (auto &row : c)
    for (float &element : row)
      element = uniform(random);
  // Registers of lane l: a (k / 4), b (k / 8), c (4), one after another, each 32 words.
  std::vector<uint32_t> in;
  auto add = [&](auto word) {
    for (size_t lane = 0; lane < 32; ++lane)
      in.push_back(word(lane / 4, lane % 4 * 2));
  };
  for (int r = 0; r < k / 4; ++r)
    add([&](size_t g, size_t q) {
      size_t row = g + size_t(r % 2 * 8), column = q + size_t(r / 2 * 8);
      return uint32_t(a[row][column + 1]) << 16 | a[row][column];
    });
  for (int r = 0; r < k / 8; ++r)
    add([&](size_t g, size_t q) {
      size_t row = q + size_t(r * 8);
      return uint32_t(b[row + 1][g]) << 16 | b[row][g];
    });
  for (int r = 0; r < 4; ++r)
    add([&](size_t g, size_t q) {
      return std::bit_cast<uint32_t>(c[g + size_t(r / 2 * 8)][q + size_t(r % 2)]);
    });
  std::string body, lists[3];
  int count = 0;
  for (auto [which, registers] : {std::pair(0, k / 4), std::pair(1, k / 8), std::pair(2, 4)})
    for (int r = 0; r < registers; ++r, ++count) {
      std::string name = (which == 2 ? "%f" : "%r") + std::to_string(count + 1);
      body += std::string("ld.global.") + (which == 2 ? "f32 " : "u32 ") + name + ", [%rd0+" +
              std::to_string(128 * count) + "];\n";
      lists[which] += (r ? ", " : "") + name;
    }
  body += "mma.sync.aligned.m16n8k" + std::to_string(k) + ".row.col.f32." + type + "." + type +
          ".f32 {%f30, %f31, %f32, %f33}, {" + lists[0] + "}, {" + lists[1] + "}, {" + lists[2] +
          "};\n";
  for (int r = 0; r < 4; ++r)
    body +=
        "st.global.f32 [%rd1+" + std::to_string(128 * r) + "], %f" + std::to_string(30 + r) + ";\n";
  std::vector<uint32_t> out = run(body, in, 128, arch);
  for (size_t lane = 0; lane < 32; ++lane)
    for (size_t r = 0; r < 4; ++r) {
      size_t row = lane / 4 + r / 2 * 8, column = lane % 4 * 2 + r % 2;
      double wanted = c[row][column];
      for (size_t i = 0; i < size_t(k); ++i)
        wanted += double(value(a[row][i])) * double(value(b[i][column]));
      double error = std::fabs(std::bit_cast<float>(out[32 * r + lane]) - wanted);
      EXPECT_TRUE(error <= 1e-5) << "row " << row << ", column " << column << ": " << error;
    }
}

float ofBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
uint16_t toBf16(float value) { return uint16_t(std::bit_cast<uint32_t>(value) >> 16); }
float ofF16(uint16_t bits) { return float(std::bit_cast<_Float16>(bits)); }
uint16_t toF16(float value) { return std::bit_cast<uint16_t>(_Float16(value)); }

TEST(WarpInstructions, MatrixProducts) {
  expectProduct("bf16", 16, ofBf16, toBf16, "sm_80");
  expectProduct("bf16", 8, ofBf16, toBf16, "sm_80");
  expectProduct("f16", 16, ofF16, toF16, "sm_80");
  expectProduct("f16", 8, ofF16, toF16, "sm_75");
}

/// 8 x 8 matrices of 16-bit elements: lane l gets row l / 4, columns l % 4 * 2 and the next, or
/// those of the transposed matrix.
TEST(WarpInstructions, Matrices) {
  std::vector<uint32_t> in = randomWords(128); // 4 matrices, rows of 16 bytes
  auto element = [&](size_t matrix, size_t row, size_t column) {
    uint32_t word = in[matrix * 32 + row * 4 + column / 2];
    return column % 2 ? word >> 16 : word & 0xFFFF;
  };
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      std::string body = "mov.u32 %r1, tile;\nmad.lo.s32 %r2, %r0, 16, %r1;\nmul.wide.u32 %rd5, "
                         "%r0, 16;\nadd.s64 %rd5, %rd5, %rd2;\n"
                         "ld.global.nc.v4.u32 {%r3, %r4, %r5, %r6}, [%rd5];\n"
                         "st.shared.v4.u32 [%r2], {%r3, %r4, %r5, %r6};\nbar.sync 0;\n"
                         "ldmatrix.sync.aligned.m8n8.x" +
                         std::to_string(count) + (transposed ? ".trans" : "") + ".shared.b16 {";
      for (int i = 0; i < count; ++i)
        body += (i ? ", %r1" : "%r1") + std::to_string(i);
      body += "}, [%r2];\n";
      for (int i = 0; i < count; ++i)
        body +=
            "st.global.u32 [%rd1+" + std::to_string(128 * i) + "], %r1" + std::to_string(i) + ";\n";
      auto out = run(body, in, 128);
      for (size_t i = 0; i < size_t(count); ++i)
        for (size_t lane = 0; lane < 32; ++lane) {
          size_t row = lane / 4, column = lane % 4 * 2;
          uint32_t low = transposed ? element(i, column, row) : element(i, row, column);
          uint32_t high = transposed ? element(i, column + 1, row) : element(i, row, column + 1);
          EXPECT_EQ(out[32 * i + lane], high << 16 | low) << count << transposed << " " << lane;
        }
    }
}

/// cp.async of 4, 8 and 16 bytes, and with fewer bytes than that: the rest is zeros.
TEST(WarpInstructions, AsyncCopies) {
  std::vector<uint32_t> in = randomWords(128);
  for (auto [form, bytes, size] :
       {std::tuple("ca", 4, 4), std::tuple("ca", 8, 8), std::tuple("cg", 16, 16),
        std::tuple("cg", 16, 4), std::tuple("cg", 16, 0)}) {
    std::string text = std::to_string(bytes);
    auto out = run("mov.u32 %r1, tile;\nmad.lo.s32 %r2, %r0, " + text +
                       ", %r1;\nmul.wide.u32 %rd5, %r0, " + text +
                       ";\nadd.s64 %rd5, %rd5, %rd2;\nmov.u32 %r7, " + std::to_string(size) +
                       ";\ncp.async." + form + ".shared.global [%r2], [%rd5], " + text +
                       ", %r7;\ncp.async.commit_group;\ncp.async.wait_group 0;\nbar.sync 0;\n"
                       "ld.shared.u32 %r3, [%r2];\nld.shared.u32 %r4, [%r2+" +
                       std::to_string(bytes - 4) +
                       "];\nst.global.u32 [%rd1], %r3;\nst.global.u32 [%rd1+128], %r4;",
                   in, 64);
    for (size_t i = 0; i < 32; ++i) {
      EXPECT_EQ(out[i], size ? in[i * size_t(bytes) / 4] : 0) << bytes << " " << size;
      EXPECT_EQ(out[32 + i], size == bytes        ? in[(i + 1) * size_t(bytes) / 4 - 1]
                             : size && bytes == 4 ? in[i]
                                                  : 0);
    }
  }
}

TEST(WarpInstructions, LoadsAndStores) {
  std::vector<uint32_t> in = randomWords(128);
  // Vectors, by way of shared memory.
  auto out = run("mov.u32 %r1, tile;\nmad.lo.s32 %r2, %r0, 16, %r1;\nmul.wide.u32 %rd5, %r0, 16;\n"
                 "add.s64 %rd6, %rd5, %rd2;\nadd.s64 %rd7, %rd5, %rd3;\n"
                 "ld.global.nc.v4.f32 {%f1, %f2, %f3, %f4}, [%rd6];\n"
                 "st.shared.v4.f32 [%r2], {%f4, %f3, %f2, %f1};\nbar.warp.sync -1;\n"
                 "ld.shared.v2.f32 {%f5, %f6}, [%r2];\nld.shared.v2.u32 {%r5, %r6}, [%r2+8];\n"
                 "st.global.v2.f32 [%rd7], {%f5, %f6};\nst.global.v2.u32 [%rd7+8], {%r5, %r6};",
                 in, 128);
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(out[i], in[i / 4 * 4 + 3 - i % 4]);
  // The other way round, and words by themselves.
  out = run("mov.u32 %r1, tile;\nmad.lo.s32 %r2, %r0, 16, %r1;\nmul.wide.u32 %rd5, %r0, 16;\n"
            "add.s64 %rd6, %rd5, %rd2;\nadd.s64 %rd7, %rd5, %rd3;\n"
            "ld.global.nc.v2.f32 {%f1, %f2}, [%rd6];\nld.global.nc.f32 %f3, [%rd6+8];\n"
            "ld.global.nc.u32 %r3, [%rd6+12];\nst.shared.f32 [%r2], %f2;\n"
            "st.shared.f32 [%r2+4], %f1;\nmov.b32 %f4, %r3;\nmov.b32 %r4, %f3;\n"
            "st.shared.v2.u32 [%r2+8], {%r3, %r4};\nld.shared.v4.f32 {%f5, %f6, %f7, %f8}, [%r2];\n"
            "st.global.v4.f32 [%rd7], {%f5, %f6, %f7, %f8};",
            in, 128);
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(out[i], in[i ^ 1]);
  out = run("mov.u32 %r1, tile;\nmad.lo.s32 %r2, %r0, 4, %r1;\nld.global.nc.u32 %r3, [%rd0];\n"
            "cvt.u16.u32 %h1, %r3;\nst.shared.u16 [%r2], %h1;\nst.shared.u16 [%r2+2], %h1;\n"
            "ld.shared.f32 %f1, [%r2];\nst.global.f32 [%rd1], %f1;",
            in);
  for (size_t i = 0; i < 32; ++i)
    EXPECT_EQ(out[i], (in[i] & 0xFFFF) * 0x10001);
  // Narrow ones are extended, with their sign or with zeros; stores keep the low bits.
  out = run("ld.global.s8 %r1, [%rd0];\nld.global.u8 %r2, [%rd0+1];\nld.global.s16 %r3, [%rd0+2];\n"
            "ld.global.nc.u16 %h1, [%rd0+2];\ncvt.u32.u16 %r4, %h1;\nst.global.u32 [%rd1], %r1;\n"
            "st.global.u32 [%rd1+128], %r2;\nst.global.u32 [%rd1+256], %r3;\n"
            "st.global.u32 [%rd1+384], %r4;\nmov.u32 %r5, 0;\nst.global.u32 [%rd1+512], %r5;\n"
            "st.global.u16 [%rd1+512], %h1;\nst.global.u8 [%rd1+515], %r2;",
            in, 160);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(out[i], uint32_t(int32_t(int8_t(in[i]))));
    EXPECT_EQ(out[32 + i], in[i] >> 8 & 0xFF);
    EXPECT_EQ(out[64 + i], uint32_t(int32_t(in[i]) >> 16));
    EXPECT_EQ(out[96 + i], in[i] >> 16);
    EXPECT_EQ(out[128 + i], in[i] >> 16 | (in[i] >> 8 & 0xFF) << 24);
  }
}

TEST(WarpInstructions, Atomics) {
  std::vector<uint32_t> in = randomWords(32);
  for (bool isShared : {false, true}) {
    std::string space = isShared ? "shared" : "global", at = isShared ? "%r20" : "%rd3";
    // Global memory is zero already.
    std::string before = isShared ? "@%p1 st.shared.v4.u32 [%r20], {%r2, %r2, %r2, %r2};\n" : "",
                after = isShared ? "@%p1 ld.shared.v4.u32 {%r6, %r7, %r8, %r9}, [%r20];\n"
                                   "@%p1 st.global.v4.u32 [%rd3], {%r6, %r7, %r8, %r9};"
                                 : "";
    std::string body = "mov.u32 %r20, tile;\nld.global.u32 %r1, [%rd0];\nmov.u32 %r2, 0;\n"
                       "setp.eq.u32 %p1, %r0, 0;\n" +
                       before + "bar.sync 0;\natom." + space + ".add.u32 %r3, [" + at +
                       "], %r1;\natom." + space + ".max.u32 %r4, [" + at + "+4], %r1;\nred." +
                       space + ".xor.b32 [" + at + "+8], %r1;\natom." + space + ".cas.b32 %r5, [" +
                       at + "+12], 0, %r1;\nbar.sync 0;\n" + after;
    auto out = run(body, in, 8);
    uint32_t sum = 0, most = 0, odd = 0;
    for (uint32_t word : in) {
      sum += word;
      most = std::max(most, word);
      odd ^= word;
    }
    EXPECT_EQ(out[0], sum);
    EXPECT_EQ(out[1], most);
    EXPECT_EQ(out[2], odd);
    EXPECT_EQ(out[3], in[0]); // lanes in order: the first finds the zero
  }
}

TEST(WarpInstructions, Conversions) {
  std::vector<float> values{0.0f,    -0.0f,   1.0f,  -1.5f,    65504.0f, 65519.0f,  65520.0f,
                            1e-7f,   3e-8f,   6e-8f, -6.1e-5f, 1.0f / 3, 0.1f,      -77.7f,
                            2049.0f, 2051.0f, 1e30f, -1e-30f,  INFINITY, -INFINITY, 255.5f,
                            256.5f,  0.5f,    -0.5f, 1.5f,     2.5f,     3.5f,      4.9e-5f,
                            1023.9f, 0.75f,   -2.0f, 9.0f};
  auto out = run("ld.global.f32 %f1, [%rd0];\ncvt.rn.f16.f32 %h1, %f1;\ncvt.f32.f16 %f2, %h1;\n"
                 "cvt.rn.bf16.f32 %h2, %f1;\ncvt.u32.u16 %r1, %h2;\nshl.b32 %r1, %r1, 16;\n"
                 "cvt.rn.bf16x2.f32 %r2, %f1, %f2;\ncvt.rn.f16x2.f32 %r3, %f1, %f2;\n"
                 "cvt.sat.f32.f32 %f3, %f1;\nneg.f32 %f4, %f1;\nmov.f32 %f5, 0f3F800000;\n"
                 "copysign.f32 %f6, %f1, %f5;\nex2.approx.ftz.f32 %f7, %f3;\nex2.approx.f32 %f9, "
                 "%f3;\nsetp.nan.f32 %p1, %f9, %f7;\n"
                 "selp.f32 %f7, %f9, %f7, %p1;\nrcp.rn.f32 %f8, %f5;\n"
                 "st.global.f32 [%rd1], %f2;\nst.global.u32 [%rd1+128], %r1;\n"
                 "st.global.u32 [%rd1+256], %r2;\nst.global.u32 [%rd1+384], %r3;\n"
                 "st.global.f32 [%rd1+512], %f3;\nst.global.f32 [%rd1+640], %f4;\n"
                 "st.global.f32 [%rd1+768], %f6;\nst.global.f32 [%rd1+896], %f7;\n"
                 "st.global.f32 [%rd1+1024], %f8;",
                 bitsOf(values), 9 * 32);
  auto real = [&](size_t what, size_t i) { return std::bit_cast<float>(out[32 * what + i]); };
  for (size_t i = 0; i < 32; ++i) {
    float x = values[i], half = float(_Float16(x));
    uint32_t bits = std::bit_cast<uint32_t>(x);
    uint32_t brain = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    uint32_t halfBits = std::bit_cast<uint32_t>(half);
    EXPECT_EQ(out[i], halfBits) << x;
    EXPECT_EQ(out[32 + i], brain << 16) << x;
    EXPECT_EQ(out[64 + i], brain << 16 | ((halfBits + 0x7FFF + (halfBits >> 16 & 1)) >> 16)) << x;
    EXPECT_EQ(out[96 + i], uint32_t(toF16(x)) << 16 | toF16(half)) << x;
    EXPECT_EQ(real(4, i), x > 0 ? std::min(x, 1.0f) : 0.0f) << x;
    EXPECT_EQ(out[160 + i], bits ^ 0x80000000u) << x;
    EXPECT_EQ(real(6, i), std::copysign(1.0f, x)) << x;
    EXPECT_TRUE(std::fabs(real(7, i) - std::exp2(real(4, i))) <= 1e-6f) << x;
    EXPECT_EQ(real(8, i), 1.0f);
  }
}

} // namespace
