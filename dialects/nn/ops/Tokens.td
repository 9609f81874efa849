// Means over tokens, and random removal of elements or whole samples.
#ifndef DANAUS_NN_TOKENS_TD
#define DANAUS_NN_TOKENS_TD

include "dialects/nn/NNDialect.td"

def NN_MeanTokensOp : NN_Op<"mean_tokens", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "(batch, tokens, d) to the mean over tokens, (batch, d)";
  let description = [{
    (C1) input (batch, tokens, d), result (batch, d).
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_MeanTokensBackwardOp : NN_Op<"mean_tokens_backward"> {
  let summary = "every token gets the gradient divided by the number of tokens";
  let description = [{
    (C1) gradient (batch, d), result (batch, tokens, d).
  }];
  let arguments = (ins NN_Tensor:$gradient);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$gradient attr-dict `:` type($gradient) `->` type($result)";
  let hasVerifier = 1;
}

def NN_DropoutOp : NN_Op<"dropout", [DeclareOpInterfaceMethods<DifferentiableOpInterface>,
                                     AllTypesMatch<["input", "result"]>]> {
  let summary = "elements, or groups of neighbours, are set to 0 at random; the others divided by 1 - rate";
  let description = [{
    Element i of the batch (row-major) belongs to group g = i / group (1: dropout, Srivastava et al., 2014; the elements of
    one sample: drop path, Huang et al., 2016). It is kept where u >= rate, with u in [0, 1) from the first word of
    Philox4x32-10 with the counter (g + control[FirstSample] * groups per sample, stream, control[RandomStep],
    0x64726F70) and the key control[RandomKey0..1] (all of them 32-bit integers in the bits of the control buffer's
    floats, runtime/plan/Control.h). So the bits depend on seed, step and the sample's place in the global batch only.
    @eval_step has no dropout.
    (C1) 0 <= rate < 1. (C2) group is positive and divides the elements of a sample, those of dimension 0 being samples;
    the input has at least one dimension. (C3) control has 16 elements.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$control, F64Attr:$rate, I64Attr:$stream, I64Attr:$group);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $control `rate` $rate `stream` $stream `group` $group attr-dict `:` type($input) `,` type($control)
  }];
  let hasVerifier = 1;
}

#endif
