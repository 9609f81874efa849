// Matrix products: the primitives that users write, the dense linear, and the contraction that all lower to.
#ifndef DANAUS_NN_MATMUL_TD
#define DANAUS_NN_MATMUL_TD

include "dialects/nn/NNDialect.td"

def NN_MatmulOp : NN_Op<"matmul", [DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "(m, k) x (k, n) -> (m, n)";
  let description = [{
    (C1) all three have rank 2. (C2) the inner dimensions agree. (C3) the result is (m, n).
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def NN_BatchMatmulOp : NN_Op<"batch_matmul", [DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "(b, m, k) x (b, k, n) -> (b, m, n)";
  let description = [{
    (C1) all three have rank 3. (C2) the batch dimensions agree. (C3) the inner dimensions agree.
    (C4) the result is (b, m, n).
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def NN_LinearOp : NN_Op<"linear", [DeclareOpInterfaceMethods<StructuredLinearOpInterface>,
                                   DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "y = x W^T + b";
  let description = [{
    x (rows, in), weight (out, in), bias (out).
    (C1) input and result have rank 2 and equally many rows. (C2) weight is (out, in).
    (C3) bias, where given, is (out).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, Optional<NN_Tensor>:$bias);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^ `:` type($bias))? attr-dict
    `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_ContractOp : NN_Op<"contract", [DeclareOpInterfaceMethods<DifferentiableOpInterface>,
                                       DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "a general contraction: result[map2(d)] += lhs[map0(d)] * rhs[map1(d)]";
  let description = [{
    Sums over all points d of the iteration space `sizes`. Maps are affine, from the iteration space
    to the indices of lhs, rhs and result. Zero padding is part of the meaning: an operand read past
    its end gives 0, a result written past its end is dropped. Contractions are closed under
    differentiation: the gradient of an operand is the contraction with the maps exchanged.

    (C1) three maps, each with as many dimensions as `sizes`, and as many results as the rank of what it
    indexes. (C2) every size is at least 1. (C3) every dimension of the iteration space occurs in at
    least two maps. (C4) coefficients are not negative, and there are no symbols, mod or div.
    (C5) each element of the result is written by at most one point of the parallel dimensions.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, DenseI64ArrayAttr:$sizes, AffineMapArrayAttr:$maps);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `sizes` $sizes `maps` $maps attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) {
      return ::mlir::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue();
    }
  }];
}

#endif
