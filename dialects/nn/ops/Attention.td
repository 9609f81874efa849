// Scaled dot-product attention over all tokens of a sample, and its gradients.
#ifndef DANAUS_NN_ATTENTION_TD
#define DANAUS_NN_ATTENTION_TD

include "dialects/nn/NNDialect.td"

def NN_AttentionOp : NN_Op<"attention", [DeclareOpInterfaceMethods<DifferentiableOpInterface>,
                                         DeclareOpInterfaceMethods<CostOpInterface>,
                                         AllTypesMatch<["query", "key", "value", "result"]>]> {
  let summary = "softmax(q k^T / sqrt(d / heads)) v, head by head (Vaswani et al., 2017, arXiv 1706.03762)";
  let description = [{
    query, key, value and result are (batch, tokens, d); head h takes the columns [h * d / heads, (h + 1) * d / heads).
    `logsumexp` (batch, heads, tokens) is log sum_j exp(s_ij) of each row of scores s = q k^T / sqrt(d / heads): what the
    backward pass needs to compute the probabilities again, so that no tokens x tokens matrix is kept.
    (C1) query (batch, tokens, d). (C2) heads divides d. (C3) logsumexp is (batch, heads, tokens).
  }];
  let arguments = (ins NN_Tensor:$query, NN_Tensor:$key, NN_Tensor:$value, I64Attr:$heads);
  let results = (outs NN_Tensor:$result, NN_Tensor:$logsumexp);
  let assemblyFormat = [{
    $query `,` $key `,` $value `heads` $heads attr-dict `:` type($query) `->` type($logsumexp)
  }];
  let hasVerifier = 1;
}

def NN_AttentionBackwardOp : NN_Op<"attention_backward", [
    AllTypesMatch<["query", "key", "value", "result", "gradient",
                   "query_gradient", "key_gradient", "value_gradient"]>]> {
  let summary = "gradients of attention with respect to query, key and value";
  let description = [{
    With p = exp(s - logsumexp), t = 1 / sqrt(d / heads), D_i = sum_c gradient_ic result_ic (Dao et al., FlashAttention,
    2022, arXiv 2205.14135, algorithm 4): dv = p^T gradient; ds = p * (gradient v^T - D); dq = t ds k; dk = t ds^T q.
    (C1) query (batch, tokens, d). (C2) heads divides d. (C3) logsumexp is (batch, heads, tokens).
  }];
  let arguments = (ins NN_Tensor:$query, NN_Tensor:$key, NN_Tensor:$value, NN_Tensor:$result, NN_Tensor:$logsumexp,
                       NN_Tensor:$gradient, I64Attr:$heads);
  let results = (outs NN_Tensor:$query_gradient, NN_Tensor:$key_gradient, NN_Tensor:$value_gradient);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $result `,` $logsumexp `,` $gradient `heads` $heads attr-dict
    `:` type($query) `,` type($logsumexp)
  }];
  let hasVerifier = 1;
}

#endif
