// Operations that move elements and compute nothing.
#ifndef DANAUS_NN_SHAPE_TD
#define DANAUS_NN_SHAPE_TD

include "dialects/nn/NNDialect.td"

def NN_ReshapeOp : NN_Op<"reshape", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "the same elements in row-major order under another shape";
  let description = [{
    (C1) input and result have equally many elements.
  }];
  let arguments = (ins NN_Stored:$input);
  let results = (outs NN_Stored:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_TransposeOp : NN_Op<"transpose", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "permutes dimensions";
  let description = [{
    Dimension i of the result is dimension permutation[i] of the input.
    (C1) `permutation` is a permutation of [0, rank). (C2) the result's shape is the permuted shape.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_PadOp : NN_Op<"pad", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "zeros before and behind each dimension";
  let description = [{
    Element i of the input becomes element i + low of the result; `low` is 0 where it is not given.
    (C1) ranks agree. (C2) `low` has an entry per dimension, none negative, and low + input fits in the result.
  }];
  let arguments = (ins NN_Tensor:$input, OptionalAttr<DenseI64ArrayAttr>:$low);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input (`from` $low^)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_SliceOp : NN_Op<"slice", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "a range of each dimension";
  let description = [{
    Element i of the result is element i + low of the input; `low` is 0 where it is not given.
    (C1) ranks agree. (C2) `low` has an entry per dimension, none negative, and low + result fits in the input.
  }];
  let arguments = (ins NN_Tensor:$input, OptionalAttr<DenseI64ArrayAttr>:$low);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input (`from` $low^)? attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def NN_AfterOp : NN_Op<"after", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the input itself, but not before another value is there";
  let description = [{
    An order without arithmetic: whatever reads the result runs after `earlier` was computed. By it values that are
    computed a second time, for the backward pass, are computed late, and do not live from the first time on.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$earlier);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $earlier attr-dict `:` type($input) `,` type($earlier)";
}

#endif
