// Do the virtual GPU's checks find what they are there for? Every barrier, wait and bound of our
// kernels is dropped in turn: a check must find it, or the results must differ.
#include "test/compiler/target/cuda/KernelTesting.h"

using namespace danaus;
using namespace danaus::test;

namespace {

struct Mutation {
  const char *from, *to;
};
constexpr Mutation mutations[] = {
    {"__syncthreads();", ""},
    {"waitForCopies<1>();", ""},
    {"m0 + m < Op::M", "true"},
    {"n < Op::N", "true"},
    {"k0 + k < Op::K", "true"},
    {"column < Op::Columns", "true"},
    {"first + token < Op::Tokens", "true"},
    {"first + other < Op::Tokens", "true"},
    {"first + columnOf(j, e) < Op::Tokens", "true"},
    {"token >= Op::Tokens", "false"},
};

/// Mutants that change nothing, beside those that give the same PTX (code of the templates that a
/// kernel does not use): in attention_0 what storeTile writes to was read by the same warps alone.
struct Equivalent {
  const char *kernel, *function, *what;
};
constexpr Equivalent equivalents[] = {{"attention_0", "void storeTile(", "__syncthreads();"}};

bool isEquivalent(const std::string &text, const Mutation &mutation, size_t at,
                  const char *kernel) {
  // Nothing is copied by cp.async, and there is nothing to wait for.
  if (std::string_view(mutation.from).starts_with("waitForCopies") &&
      text.find("Form = Form::RunsOf") == std::string::npos)
    return true;
  size_t function = text.rfind("static __device__ ", at);
  std::string_view head =
      std::string_view(text).substr(function == std::string::npos ? 0 : function, 60);
  for (const Equivalent &known : equivalents)
    if (std::string_view(known.kernel) == kernel && std::string_view(known.what) == mutation.from &&
        head.find(known.function) != std::string_view::npos)
      return true;
  return false;
}

class Mutations
    : public testing::TestWithParam<std::tuple<const char *, const char *, const char *>> {};

/// Every mutant of one kernel of a spec.
TEST_P(Mutations, AreCaught) {
  if (auto nvrtc = describeNvrtc(); !nvrtc)
    GTEST_SKIP() << nvrtc.error().message();
  auto [spec, arch, symbol] = GetParam();
  CudaKernels kernels(spec, arch);
  const cuda::KernelSource *source = kernels.find(symbol);
  ASSERT_TRUE(source) << symbol;
  CudaKernels::Run right = kernels.run(*source);
  ASSERT_EQ(right.error, "");
  ASSERT_TRUE(right.findings.empty()) << right.findings.front().text;
  if (std::string_view(symbol).starts_with("attention")) // all float32
    for (const std::vector<std::byte> &result : right.results)
      for (size_t i = 0; i < result.size(); i += sizeof(float)) {
        float value;
        std::memcpy(&value, &result[i], sizeof(float));
        ASSERT_TRUE(std::isfinite(value));
      }
  size_t caught = 0;
  for (const Mutation &mutation : mutations)
    for (size_t at = 0; (at = source->text.find(mutation.from, at)) != std::string::npos;) {
      cuda::KernelSource mutant = *source;
      mutant.text.replace(at, strlen(mutation.from), mutation.to);
      size_t place = std::exchange(at, at + 1);
      CudaKernels::Run wrong = kernels.run(mutant);
      if (wrong.ptx == right.ptx)
        continue;
      bool isCaught =
          !wrong.findings.empty() || !wrong.error.empty() || wrong.results != right.results;
      caught += isCaught;
      if (!isCaught && !isEquivalent(source->text, mutation, place, symbol)) {
        size_t line =
            size_t(std::count(source->text.begin(), source->text.begin() + long(place), '\n')) + 1;
        ADD_FAILURE() << mutation.from << " in line " << line << " of " << symbol
                      << " can be dropped, and nobody notices:\n"
                      << source->text.substr(source->text.rfind('\n', place) + 1, 100);
      }
    }
  EXPECT_GE(caught, 2u);
}

constexpr char monarch[] =
    "name: m\nmodel:\n  input: {shape: [140]}\n  layers:\n    - linear: {name: a, out: 66}\n"
    "    - linear: {name: b, out: 10}\nstructure:\n  - {match: a, kind: monarch, nblocks: 2}\n"
    "data: {name: npy, dir: .}\ntrain: {batch_size: 37, DTYPE}\noptimizer: {type: sgd, lr: 0.1}\n";
constexpr char tokens[] =
    "name: t\nmodel:\n  input: {shape: [1, 6, 7]}\n  layers:\n    - patch_embed: {patch: 1, dim: "
    "18}\n"
    "    - residual: [layer_norm, {attention: {name: attn, heads: 2}}]\n    - mean_tokens\n"
    "    - linear: {name: head, out: 3}\ndata: {name: npy, dir: .}\ntrain: {batch_size: 2}\n"
    "optimizer: {type: sgd, lr: 0.1}\n";

std::string withDtype(std::string spec, const char *dtype) {
  spec.replace(spec.find("DTYPE"), 5, std::string("dtype: ") + dtype);
  return spec;
}
/// Two tiles of tokens on tensor cores.
std::string withTokens(std::string spec) {
  spec.replace(spec.find("[1, 6, 7]"), 9, "[1, 9, 9]");
  return spec.replace(spec.find("batch_size: 2"), 13, "batch_size: 2, dtype: bf16");
}
/// Sizes that fit whole copies by cp.async, and several steps of K.
std::string withRuns(std::string spec) {
  spec.replace(spec.find("[140]"), 5, "[192]"); // K of 96: an odd number of steps
  spec.replace(spec.find("out: 66"), 7, "out: 320");
  return spec;
}
/// Three steps of K, which is the batch, in the gradients of weights.
std::string withBatch(std::string spec) {
  return spec.replace(spec.find("batch_size: 37"), 14, "batch_size: 69");
}
const std::string monarchF32 = withDtype(monarch, "f32"), monarchBf16 = withDtype(monarch, "bf16"),
                  monarchRuns = withRuns(monarchBf16), monarchBatch = withBatch(monarchRuns),
                  manyTokens = withTokens(tokens);

INSTANTIATE_TEST_SUITE_P(F32, Mutations,
                         testing::Values(std::tuple(monarchF32.c_str(), "sm_80", "chain_0")));
INSTANTIATE_TEST_SUITE_P(Bf16, Mutations,
                         testing::Values(std::tuple(monarchBf16.c_str(), "sm_80", "chain_0"),
                                         std::tuple(monarchRuns.c_str(), "sm_80", "chain_0"),
                                         std::tuple(monarchBatch.c_str(), "sm_80", "contract_1")));
INSTANTIATE_TEST_SUITE_P(Attention, Mutations,
                         testing::Values(std::tuple(tokens, "sm_75", "attention_0"),
                                         std::tuple(tokens, "sm_75", "attention_backward_0"),
                                         std::tuple(manyTokens.c_str(), "sm_80", "attention_0"),
                                         std::tuple(manyTokens.c_str(), "sm_80",
                                                    "attention_backward_0")));

} // namespace
