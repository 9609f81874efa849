// Element-wise operations, their gradients, and the sum that undoes a broadcast.
#ifndef DANAUS_NN_ELEMENTWISE_TD
#define DANAUS_NN_ELEMENTWISE_TD

include "dialects/nn/NNDialect.td"

def NN_AddOp : NN_Op<"add", [DeclareOpInterfaceMethods<DifferentiableOpInterface>, AllTypesMatch<["lhs", "result"]>]> {
  let summary = "sum; the right side may be broadcast over leading dimensions (a bias)";
  let description = [{
    (C1) the shape of `rhs` is a suffix of the shape of `lhs`.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
  let hasVerifier = 1;
}

def NN_SumLeadingOp : NN_Op<"sum_leading"> {
  let summary = "sum over leading dimensions: the gradient of a broadcast";
  let description = [{
    (C1) the shape of the result is a proper suffix of the input's.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

class NN_ActivationOp<string mnemonic> : NN_Op<mnemonic,
    [DeclareOpInterfaceMethods<DifferentiableOpInterface>, SameOperandsAndResultType]> {
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

class NN_ActivationBackwardOp<string mnemonic> : NN_Op<mnemonic, [SameOperandsAndResultType]> {
  let arguments = (ins NN_Tensor:$saved, NN_Tensor:$gradient);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$saved `,` $gradient attr-dict `:` type($gradient)";
}

def NN_ReluOp : NN_ActivationOp<"relu"> {
  let summary = "max(x, 0); NaN stays NaN";
}
def NN_ReluBackwardOp : NN_ActivationBackwardOp<"relu_backward"> {
  let summary = "gradient where the saved result is positive, else 0";
}
def NN_GeluOp : NN_ActivationOp<"gelu"> {
  let summary = "x/2 (1 + erf(x / sqrt 2)), the exact form";
}
def NN_GeluBackwardOp : NN_ActivationBackwardOp<"gelu_backward"> {
  let summary = "gradient times d gelu / dx at the saved input";
}
def NN_GeluTanhOp : NN_ActivationOp<"gelu_tanh"> {
  let summary = "x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))";
}
def NN_GeluTanhBackwardOp : NN_ActivationBackwardOp<"gelu_tanh_backward"> {
  let summary = "gradient times d gelu_tanh / dx at the saved input";
}

def NN_RoundOp : NN_Op<"round", [SameOperandsAndResultType]> {
  let summary = "every element rounded to the nearest value of a 16-bit type, bf16 or f16";
  let description = [{
    To nearest, ties to even; infinities and NaN stay. The element type stays float32: what the value is stored in is
    decided by nn-form-kernels for the machine.
    (C1) `to` is bf16 or f16.
  }];
  let arguments = (ins NN_Tensor:$input, TypeAttrOf<AnyTypeOf<[BF16, F16]>>:$to);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `to` $to attr-dict `:` type($input)";
}

#endif
