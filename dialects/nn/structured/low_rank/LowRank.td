// The low-rank linear (Pufferfish, Wang et al., MLSys 2021, arXiv 2103.03936).
#ifndef DANAUS_NN_LOW_RANK_TD
#define DANAUS_NN_LOW_RANK_TD

include "dialects/nn/NNDialect.td"

def NN_LowRankLinearOp : NN_Op<"low_rank_linear", [
    DeclareOpInterfaceMethods<StructuredLinearOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "y = (x down^T) up^T + b";
  let description = [{
    x (rows, in), down (r, in), up (out, r), bias (out); the hidden activation h = x down^T is (rows, r).
    (C1) input and result have rank 2 and equally many rows. (C2) down is (r, in).
    (C3) up is (out, r). (C4) bias, where given, is (out).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$down, NN_Tensor:$up, Optional<NN_Tensor>:$bias);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $down `,` $up (`bias` $bias^ `:` type($bias))? attr-dict
    `:` type($input) `,` type($down) `,` type($up) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
