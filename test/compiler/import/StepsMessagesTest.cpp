// Every way to get a step of an ops block wrong: the caret stands inside the step.
#include "ImportText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

/// The low-rank layer h = x V^T, y = h U^T, z = y + b on x (32, 128), with its steps replaced.
struct StepsCase {
  const char *name;
  std::vector<const char *> steps;
  const char *expected;
  const char *parameters = "{V: [16, 128], U: [10, 16], b: [10]}";
  const char *output = "z";

  std::string spec() const {
    std::string text = "name: m\nmodel:\n  input: {shape: [128]}\n  layers:\n    - ops:\n"
                       "        inputs: [x]\n        parameters: ";
    text += parameters + std::string("\n        steps:\n");
    for (const char *step : steps)
      text += "        - \"" + std::string(step) + "\"\n";
    return text + "        output: " + output + "\ndata: {name: mnist}\ntrain: {batch_size: 32}\n";
  }
};

std::ostream &operator<<(std::ostream &stream, const StepsCase &each) {
  return stream << each.name;
}

const StepsCase cases[] = {
    {"Undefined",
     {"h = matmul(x, transpose(V))", "y = matmul(g, transpose(U))", "z = y + b"},
     R"~(bad.yaml:10:23: error: 'g' is not defined; known here: x, V, U, b, h
        - "y = matmul(g, transpose(U))"
                      ^
)~"},
    {"UndefinedNear",
     {"hidden = matmul(x, transpose(V))", "y = matmul(hiden, transpose(U))"},
     R"~(bad.yaml:10:23: error: 'hiden' is not defined; did you mean 'hidden'?
        - "y = matmul(hiden, transpose(U))"
                      ^
)~"},
    {"UndefinedFar",
     {"h = matmul(x, transpose(V))", "y = matmul(something, transpose(U))", "z = y + b"},
     R"~(bad.yaml:10:23: error: 'something' is not defined; known here: x, V, U, b, h
        - "y = matmul(something, transpose(U))"
                      ^
)~"},
    {"DefinedTwice",
     {"h = matmul(x, transpose(V))", "h = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:10:12: error: 'h' is defined twice
        - "h = matmul(h, transpose(U))"
           ^
bad.yaml:9:12: note: the first is here
        - "h = matmul(x, transpose(V))"
           ^
)~"},
    {"DefinesInput",
     {"x = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:12: error: 'x' is defined twice
        - "x = matmul(x, transpose(V))"
           ^
bad.yaml:6:18: note: the first is here
        inputs: [x]
                 ^
)~"},
    {"UnusedParameter",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y"},
     R"~(bad.yaml:7:49: error: parameter 'b' of layer ops is never used
        parameters: {V: [16, 128], U: [10, 16], b: [10]}
                                                ^
)~"},
    {"UnusedValue",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b", "w = relu(y)"},
     R"~(bad.yaml:12:12: error: value 'w' of layer ops is never used
        - "w = relu(y)"
           ^
)~"},
    {"UnusedInput",
     {"z = matmul(V, U)"},
     R"~(bad.yaml:6:18: error: input 'x' of layer ops is never used
        inputs: [x]
                 ^
)~",
     "{V: [128, 16], U: [16, 10]}"},
    {"MatmulInner",
     {"h = matmul(x, V)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: matmul of 32x128 and 16x128: the inner dimensions 128 and 16 differ
        - "h = matmul(x, V)"
               ^
)~"},
    {"MatmulRank",
     {"h = matmul(reshape(x, -1, 2, 64), transpose(V))", "y = matmul(h, transpose(U))",
      "z = y + b"},
     R"~(bad.yaml:9:16: error: matmul takes two matrices, got 32x2x64 and 128x16 (batch_matmul takes rank 3)
        - "h = matmul(reshape(x, -1, 2, 64), transpose(V))"
               ^
)~"},
    {"BatchMatmul",
     {"h = batch_matmul(x, V)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: batch_matmul of 32x128 and 16x128: takes (b, m, k) and (b, k, n)
        - "h = batch_matmul(x, V)"
               ^
)~"},
    {"AddShapes",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + h + b"},
     R"~(bad.yaml:11:18: error: cannot add 32x10 and 32x16: one shape must be the end of the other
        - "z = y + h + b"
                 ^
)~"},
    {"UnknownFunction",
     {"h = matmull(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: there is no function 'matmull'; did you mean 'matmul'?
        - "h = matmull(x, transpose(V))"
               ^
)~"},
    {"UnknownFunctionFar",
     {"h = convolve(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: there is no function 'convolve'; known: matmul, batch_matmul, transpose, reshape, pad, slice, relu, gelu, gelu_tanh
        - "h = convolve(x, transpose(V))"
               ^
)~"},
    {"Arity",
     {"h = matmul(x)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: matmul takes 2 tensors, got 1 tensor and 0 numbers
        - "h = matmul(x)"
               ^
)~"},
    {"ArityNumbers",
     {"h = relu(x, 3)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: relu takes 1 tensor, got 1 tensor and 1 number
        - "h = relu(x, 3)"
               ^
)~"},
    {"NumberFirst",
     {"h = reshape(2, x)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:24: error: expected a tensor: in reshape tensors stand before numbers
        - "h = reshape(2, x)"
                       ^
)~"},
    {"TransposeRank3",
     {"h = transpose(reshape(x, -1, 2, 64))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: transpose of 32x2x64 takes the new order of its dimensions, a permutation of 0 to 2
        - "h = transpose(reshape(x, -1, 2, 64))"
               ^
)~"},
    {"TransposeTwice",
     {"h = matmul(x, transpose(V, 1, 1))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:26: error: transpose of 16x128 takes the new order of its dimensions, a permutation of 0 to 1
        - "h = matmul(x, transpose(V, 1, 1))"
                         ^
)~"},
    {"ReshapeElements",
     {"h = reshape(x, 32, 100)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: reshape of 32x128 to 32x100: the numbers of elements differ
        - "h = reshape(x, 32, 100)"
               ^
)~"},
    {"ReshapeRest",
     {"h = reshape(x, -1, 100)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: reshape of 32x128 to -1x100: the numbers of elements differ
        - "h = reshape(x, -1, 100)"
               ^
)~"},
    {"ReshapeTwoOpen",
     {"h = reshape(x, -1, -1)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:31: error: only one dimension of a reshape may be -1
        - "h = reshape(x, -1, -1)"
                              ^
)~"},
    {"ReshapeZero",
     {"h = reshape(x, 0, 128)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:27: error: a dimension must be at least 1, or -1 for what remains
        - "h = reshape(x, 0, 128)"
                          ^
)~"},
    {"ReshapeNothing",
     {"h = reshape(x)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: reshape of 32x128 to scalar: the numbers of elements differ
        - "h = reshape(x)"
               ^
)~"},
    {"PadShrinks",
     {"h = pad(x, 32, 100)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: pad of 32x128 to 32x100: takes 2 dimensions, none of them smaller than before
        - "h = pad(x, 32, 100)"
               ^
)~"},
    {"SliceRank",
     {"h = slice(x, 32)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: slice of 32x128 to 32: takes 2 dimensions, none of them larger than before or below 1
        - "h = slice(x, 32)"
               ^
)~"},
    {"PadTooLarge",
     {"h = pad(x, 16777216, 16777216)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:16: error: the result would be 16777216x16777216, more than 2^31 (2147483648) elements
        - "h = pad(x, 16777216, 16777216)"
               ^
)~"},
    {"NumberTooLarge",
     {"h = pad(x, 32, 99999999999999999999)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:27: error: '99999999999999999999' is not an integer in range
        - "h = pad(x, 32, 99999999999999999999)"
                          ^
)~"},
    {"NoName",
     {"= matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:12: error: expected a step 'name = expression', found '='
        - "= matmul(x, transpose(V))"
           ^
)~"},
    {"NoEquals",
     {"h matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:14: error: expected '=' after the step's name, found 'm'
        - "h matmul(x, transpose(V))"
             ^
)~"},
    {"Unclosed",
     {"h = matmul(x, transpose(V)", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:9:38: error: expected ')' or ',' after an argument of matmul, found the end of the step
        - "h = matmul(x, transpose(V)"
                                     ^
)~"},
    {"Trailing",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b)"},
     R"~(bad.yaml:11:21: error: expected '+' or the end of the step, found ')'
        - "z = y + b)"
                    ^
)~"},
    {"MissingTerm",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + "},
     R"~(bad.yaml:11:20: error: expected a name or a function, found the end of the step
        - "z = y + "
                   ^
)~"},
    {"ParenthesisOpen",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = (y + b"},
     R"~(bad.yaml:11:22: error: expected ')' to close the parenthesis, found the end of the step
        - "z = (y + b"
                     ^
)~"},
    {"DeepNesting",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))",
      "z = ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((y + "
      "b))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))"},
     R"~(bad.yaml:11:81: error: more than 64 levels of parentheses
        - "z = ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((y + b))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))"
                                                                                ^
)~"},
    {"OutputUndefined",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = y + b"},
     R"~(bad.yaml:12:17: error: 'zz' is not defined; known here: x, V, U, b, h, y, z
        output: zz
                ^
)~",
     "{V: [16, 128], U: [10, 16], b: [10]}",
     "zz"},
    {"OutputWithoutBatch",
     {"h = matmul(x, transpose(V))", "y = matmul(h, transpose(U))", "z = transpose(y + b)"},
     R"~(bad.yaml:12:17: error: 'z' is 10x32; a layer's result begins with the batch, 32
        output: z
                ^
)~"},
};

class StepsMessages : public testing::TestWithParam<StepsCase> {};

TEST_P(StepsMessages, AreExact) {
  EXPECT_EQ(importMessages(GetParam().spec()), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(All, StepsMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

TEST(Steps, WithoutAMistakeAreImported) {
  StepsCase good{"Good", {"h = matmul(x, transpose(V))", "z = matmul(h, transpose(U)) + b"}, ""};
  EXPECT_EQ(importMessages(good.spec()), "");
}

/// Steps need no quotes; the caret must not stand one column off then.
TEST(Steps, MayBeUnquoted) {
  StepsCase plain{"Plain", {}, ""};
  std::string text = plain.spec();
  text.insert(text.find("        output"), "        - z = matmul(x, W)\n");
  EXPECT_EQ(importMessages(text),
            "bad.yaml:9:25: error: 'W' is not defined; known here: x, V, U, b\n"
            "        - z = matmul(x, W)\n"
            "                        ^\n");
}

} // namespace
} // namespace danaus::spec
