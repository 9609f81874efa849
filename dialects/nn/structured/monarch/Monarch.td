// The Monarch linear (Dao et al., ICML 2022, arXiv 2204.00595).
#ifndef DANAUS_NN_MONARCH_TD
#define DANAUS_NN_MONARCH_TD

include "dialects/nn/NNDialect.td"

def NN_MonarchLinearOp : NN_Op<"monarch_linear", [
    DeclareOpInterfaceMethods<StructuredLinearOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "two block-diagonal factors with a fixed permutation between";
  let description = [{
    With N = nblocks, p = ceil(in / N), s = ceil(out / N), blkdiag1 (N, q, p), blkdiag2 (N, s, q):
    ```
    h[k*q + a] = sum_i blkdiag1[k][a][i] * x[k*p + i]
    y[o*N + l] = sum_c blkdiag2[l][o][c] * h[c*N + l]
    y += bias
    ```
    x counts as zero past its end; outputs past `out` are dropped.
    (C1) input and result have rank 2 and equally many rows. (C2) blkdiag1 is (N, q, p) with
    p = ceil(in / N). (C3) blkdiag2 is (N, s, q) with s = ceil(out / N). (C4) bias, where given, is (out).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$blkdiag1, NN_Tensor:$blkdiag2, Optional<NN_Tensor>:$bias);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $blkdiag1 `,` $blkdiag2 (`bias` $bias^ `:` type($bias))? attr-dict
    `:` type($input) `,` type($blkdiag1) `,` type($blkdiag2) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Number of diagonal blocks of each factor.
    int64_t getNumBlocks();
  }];
}

#endif
