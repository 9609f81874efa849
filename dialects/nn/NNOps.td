// Every operation of the dialect, for mlir-tblgen. A new structured kind is one more line here.
#ifndef DANAUS_NN_OPS_TD
#define DANAUS_NN_OPS_TD

include "dialects/nn/ops/Shape.td"
include "dialects/nn/ops/Elementwise.td"
include "dialects/nn/ops/Matmul.td"
include "dialects/nn/ops/Norm.td"
include "dialects/nn/ops/Attention.td"
include "dialects/nn/ops/Tokens.td"
include "dialects/nn/ops/Loss.td"
include "dialects/nn/ops/Optimizer.td"
include "dialects/nn/structured/block_diagonal/BlockDiagonal.td"
include "dialects/nn/structured/low_rank/LowRank.td"
include "dialects/nn/structured/monarch/Monarch.td"

#endif
