// The block-diagonal linear: one factor of Monarch alone, as grouped linears have it.
#ifndef DANAUS_NN_BLOCK_DIAGONAL_TD
#define DANAUS_NN_BLOCK_DIAGONAL_TD

include "dialects/nn/NNDialect.td"

def NN_BlockDiagonalLinearOp : NN_Op<"block_diagonal_linear", [
    DeclareOpInterfaceMethods<StructuredLinearOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "a weight of N blocks on the diagonal: each part of the outputs sees one part of the inputs";
  let description = [{
    With N = nblocks, p = ceil(in / N), s = ceil(out / N), blkdiag (N, s, p):
    ```
    y[k*s + o] = sum_i blkdiag[k][o][i] * x[k*p + i]
    y += bias
    ```
    x counts as zero past its end; outputs past `out` are dropped.
    (C1) input and result have rank 2 and equally many rows. (C2) blkdiag is (N, s, p) with
    p = ceil(in / N) and s = ceil(out / N). (C3) bias, where given, is (out).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$blkdiag, Optional<NN_Tensor>:$bias);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $blkdiag (`bias` $bias^ `:` type($bias))? attr-dict
    `:` type($input) `,` type($blkdiag) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Number of blocks.
    int64_t getNumBlocks();
  }];
}

#endif
