// Layer normalisation and its gradients.
#ifndef DANAUS_NN_NORM_TD
#define DANAUS_NN_NORM_TD

include "dialects/nn/NNDialect.td"

def NN_LayerNormOp : NN_Op<"layer_norm", [DeclareOpInterfaceMethods<DifferentiableOpInterface>,
                                          AllTypesMatch<["input", "result"]>,
                                          AllTypesMatch<["mean", "rstd"]>]> {
  let summary = "layer normalisation over the last dimension (Ba, Kiros and Hinton, 2016, arXiv 1607.06450)";
  let description = [{
    For each row x of C elements: mean = sum x / C, rstd = 1 / sqrt(sum (x - mean)^2 / C + epsilon),
    result = (x - mean) * rstd * weight + bias. Mean and rstd are given for the backward pass.
    (C1) input (rows, C); weight and bias (C). (C2) mean and rstd (rows). (C3) epsilon is positive.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, NN_Tensor:$bias, F64Attr:$epsilon);
  let results = (outs NN_Tensor:$result, NN_Tensor:$mean, NN_Tensor:$rstd);
  let assemblyFormat = [{
    $input `,` $weight `,` $bias `epsilon` $epsilon attr-dict
    `:` type($input) `,` type($weight) `,` type($bias) `->` type($mean)
  }];
  let hasVerifier = 1;
}

def NN_LayerNormBackwardOp : NN_Op<"layer_norm_backward", [AllTypesMatch<["input", "gradient", "result"]>,
                                                           AllTypesMatch<["mean", "rstd"]>]> {
  let summary = "gradient of layer_norm with respect to its input";
  let description = [{
    With h = (x - mean) rstd and g = gradient * weight: result = rstd (g - mean(g) - h mean(g h)), means over a row.
    (C1) input (rows, C); weight (C); mean and rstd (rows).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, NN_Tensor:$mean, NN_Tensor:$rstd, NN_Tensor:$gradient);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight `,` $mean `,` $rstd `,` $gradient attr-dict `:` type($input) `,` type($weight) `,` type($mean)
  }];
  let hasVerifier = 1;
}

def NN_LayerNormWeightBackwardOp : NN_Op<"layer_norm_weight_backward", [AllTypesMatch<["input", "gradient"]>,
    AllTypesMatch<["mean", "rstd"]>, AllTypesMatch<["weight_gradient", "bias_gradient"]>]> {
  let summary = "gradients of layer_norm with respect to its weight and bias";
  let description = [{
    weight_gradient = sum over rows of gradient * (x - mean) rstd, bias_gradient = sum over rows of gradient.
    (C1) input (rows, C); mean and rstd (rows); the results (C).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$mean, NN_Tensor:$rstd, NN_Tensor:$gradient);
  let results = (outs NN_Tensor:$weight_gradient, NN_Tensor:$bias_gradient);
  let assemblyFormat = [{
    $input `,` $mean `,` $rstd `,` $gradient attr-dict `:` type($input) `,` type($mean) `->` type($weight_gradient)
  }];
  let hasVerifier = 1;
}

#endif
