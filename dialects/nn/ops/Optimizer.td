// One optimizer update per parameter. Learning rate and bias corrections come from the control buffer;
// an update is skipped (parameter and state unchanged) when metrics[Loss] is NaN or Inf, and where gradients
// are scaled when metrics[GradNorm] is.
#ifndef DANAUS_NN_OPTIMIZER_TD
#define DANAUS_NN_OPTIMIZER_TD

include "dialects/nn/NNDialect.td"

def NN_SquareNormOp : NN_Op<"square_norm"> {
  let summary = "partial sums of squares over all gradients";
  let description = [{
    The sum of the result's elements is the squared L2 norm over all operands; how the terms are
    spread over the elements is not fixed here.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$gradients);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$gradients attr-dict `:` type($gradients) `->` type($result)";
}

def NN_AccumulateOp : NN_Op<"accumulate", [AllTypesMatch<["sum", "term", "result"]>]> {
  let summary = "one more term of a sum over the micro-batches of an update";
  let description = [{
    result = sum + term; only the term where control[FirstMicroBatch] is 1, whatever the sum holds.
    The result takes the place of the sum in memory.
  }];
  let arguments = (ins NN_Tensor:$sum, NN_Tensor:$term, NN_Tensor:$control);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$sum `,` $term `,` $control attr-dict `:` type($sum) `,` type($control)";
}

class NN_UpdateOp<string mnemonic, dag stateArgs, dag attributes, dag stateResults> : NN_Op<mnemonic> {
  let description = [{
    (C1) parameter, gradient, state and results have equal shapes. (C2) max_norm is positive where given:
    the gradient is scaled by min(1, max_norm / (metrics[GradNorm] + 1e-6)) first.
    `scaled`: the gradient is multiplied by control[InverseScale] before that.
  }];
  let arguments = !con((ins NN_Tensor:$parameter, NN_Tensor:$gradient, NN_Tensor:$control, NN_Tensor:$metrics),
                       stateArgs, attributes, (ins OptionalAttr<F64Attr>:$max_norm, UnitAttr:$scaled));
  let results = !con((outs NN_Tensor:$new_parameter), stateResults);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_SgdStepOp : NN_UpdateOp<"sgd_step", (ins Optional<NN_Tensor>:$velocity),
    (ins F64Attr:$momentum, F64Attr:$weight_decay), (outs Optional<NN_Tensor>:$new_velocity)> {
  let summary = "v = momentum v + g (v = g at the first update); p -= lr v";
}

def NN_AdamStepOp : NN_UpdateOp<"adam_step", (ins NN_Tensor:$m, NN_Tensor:$v),
    (ins F64Attr:$beta1, F64Attr:$beta2, F64Attr:$epsilon, F64Attr:$weight_decay, UnitAttr:$decoupled),
    (outs NN_Tensor:$new_m, NN_Tensor:$new_v)> {
  let summary = "Adam (Kingma and Ba, 2015); `decoupled` decay makes it AdamW (Loshchilov and Hutter, 2019)";
}

def NN_EmaStepOp : NN_Op<"ema_step", [AllTypesMatch<["average", "parameter", "result"]>]> {
  let summary = "an exponential moving average of a parameter: decay average + (1 - decay) parameter";
  let description = [{
    `parameter` is the new one, of the same update; as that, the average stays where metrics[Loss] is NaN or Inf.
    (C1) 0 < decay < 1. (C2) the parameter is the first result of an update that nothing else averages.
  }];
  let arguments = (ins NN_Tensor:$average, NN_Tensor:$parameter, NN_Tensor:$metrics, F64Attr:$decay);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$average `,` $parameter `,` $metrics `decay` $decay attr-dict `:` type($average) `,` type($metrics)";
  let hasVerifier = 1;
}

#endif
