// The kernel dialect: the few classes of fused kernels. Still values, not memory; what runs as one
// launch, its tile sizes, and the scalar code of prologues and epilogues are decided here.
#ifndef DANAUS_KERNEL_OPS_TD
#define DANAUS_KERNEL_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::danaus::kernel";
  let summary = "fused kernels: contract, row, chain, attention, copy, reduce, update";
  let description = [{
    Each operation outside a `kernel.chain` becomes one launch. Operands are indexed by affine maps from
    an iteration space; an index past the end of an operand reads 0, and past the end of a result
    is dropped. Regions hold scalar code (arith, math, and the few operations below) that a target
    vectorises or prints.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;
def Kernel_Tensor : StaticShapeTensorOf<[F32, BF16, F16, I32]>;

def Kernel_YieldOp : Kernel_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "what a region gives";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange{}); }]>];
}

def Kernel_ContractOp : Kernel_Op<"contract", [Pure, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "a contraction with an epilogue";
  let description = [{
    Iteration space `sizes` = (batch..., M, N, K): N is the side that is vectorised, M the side whose
    operand is broadcast, K is summed. maps = (lhs, rhs, results, extras...): lhs does not depend
    on N except as `n mod G` (a group: G neighbouring results take G neighbouring elements, Monarch's
    permutation at no cost), rhs does not depend on M. The region maps (sum, extras...) to the
    results, all of which have the map of the results.

    `tile` = [MR, NV, rows]: a register tile of MR rows by NV vectors, `rows` of M per call; set by
    kernel-choose-tiles. [MR, NV, rows, slabs, depth]: a call computes `rows` by `slabs` slabs of NV vectors, and packs
    the rhs in its scratch for `depth` of K at a time. On a GPU [BM, BN], the results of a block of threads; set by kernel-choose-blocks. `panel`, where given, says that rhs was packed by kernel-pack-operands as
    (batch..., ceil(N/panel), K, panel); `lhs_panel`, that lhs was packed as (batch..., ceil(M/MR), K, lhs_panel) with
    lhs_panel = MR * G: the rows of a register tile are neighbours. With `matrix_unit` the processor's matrix unit multiplies:
    operands are bfloat16, rhs packed in pairs, and lhs, where its K is not contiguous, in rows (kernel.pack); or they
    are float32, split exactly into three bfloat16 terms each, of whose nine products the six largest are added: what is
    left out is below 2^-23 of a product. rhs then is packed in pairs of three terms; the call splits lhs. With five numbers in
    `tile` nothing is packed: the call puts both operands in order, in stretches of K of its own (SplitStage.h), not of `depth`.
    Results of a `streamed` one, which stands in no chain, are read again much later, and may be stored around the caches.
    With `by_columns` calls are in the order of their columns, else of their rows: neighbours read the same part of rhs.

    (C1) one map per lhs, rhs, results and extra, over all dimensions of sizes. (C2) at least 3 sizes.
    (C3) the region takes the sum and one scalar per extra, and yields one per result.
    (C4) lhs does not depend on N but through mod; rhs does not depend on M.
  }];
  let arguments = (ins Kernel_Tensor:$lhs, Kernel_Tensor:$rhs, Variadic<Kernel_Tensor>:$extras,
                       DenseI64ArrayAttr:$sizes, AffineMapArrayAttr:$maps,
                       OptionalAttr<DenseI64ArrayAttr>:$tile, OptionalAttr<I64Attr>:$panel,
                       OptionalAttr<I64Attr>:$lhs_panel, UnitAttr:$matrix_unit, UnitAttr:$by_columns, UnitAttr:$streamed);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    $lhs `,` $rhs (`extras` `(` $extras^ `)`)? `sizes` $sizes `maps` $maps (`tile` $tile^)? (`panel` $panel^)?
    (`lhs_panel` $lhs_panel^)? (`matrix_unit` $matrix_unit^)? (`by_columns` $by_columns^)? (`streamed` $streamed^)?
    attr-dict `:` functional-type(operands, results) $epilogue
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    static constexpr unsigned LhsMap = 0, RhsMap = 1, ResultMap = 2, FirstExtraMap = 3;
    ::mlir::AffineMap getMap(unsigned i) { return ::mlir::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue(); }
    unsigned getNumBatch() { return getSizes().size() - 3; }
    unsigned getM() { return getSizes().size() - 3; }
    unsigned getN() { return getSizes().size() - 2; }
    unsigned getK() { return getSizes().size() - 1; }
    int64_t getMacs();
    /// Whether calls put their operands in order, stretch by stretch of K.
    bool isBlocked() { return getTile() && getTile()->size() == 5; }
    /// G of `n mod G` in the map of the lhs; 1 where there is none.
    int64_t getGroup();
  }];
}

def Kernel_RowOp : Kernel_Op<"row", [Pure, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "element-wise code over rows of C elements, with reductions over a row";
  let description = [{
    Iteration space (row, column) = sizes. maps = (inputs..., results...); a result whose map does not
    depend on the column holds one scalar per row. The region sees one element of each input;
    kernel.row_reduce gives a value of the whole row.

    `rows`, where set, is the number of rows per call.
    (C1) one map per input and result, over 2 dimensions. (C2) the region takes one scalar per
    input and yields one per result. (C3) sizes has 2 entries.
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$inputs, DenseI64ArrayAttr:$sizes, AffineMapArrayAttr:$maps,
                       OptionalAttr<I64Attr>:$rows);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $inputs `sizes` $sizes `maps` $maps (`rows` $rows^)? attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) { return ::mlir::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue(); }
    ::mlir::AffineMap getResultMap(unsigned i) { return getMap(getInputs().size() + i); }
    int64_t getRowCount() { return getSizes()[0]; }
    int64_t getColumnCount() { return getSizes()[1]; }
  }];
}

def Kernel_ReduceKind : I32EnumAttr<"ReduceKind", "how a row is reduced", [
    I32EnumAttrCase<"Add", 0, "add">, I32EnumAttrCase<"Max", 1, "max">, I32EnumAttrCase<"Min", 2, "min">]> {
  let cppNamespace = "::danaus::kernel";
}

def Kernel_RowReduceOp : Kernel_Op<"row_reduce", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "the sum, maximum or minimum of an element-wise value over the row";
  let arguments = (ins Kernel_ReduceKind:$kind, F32:$input);
  let results = (outs F32:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($input)";
}

def Kernel_ColumnOp : Kernel_Op<"column", [Pure]> {
  let summary = "the column of the present element";
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Kernel_RowIndexOp : Kernel_Op<"row_index", [Pure]> {
  let summary = "the row of the present element";
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Kernel_ChainOp : Kernel_Op<"chain", [SingleBlockImplicitTerminator<"YieldOp">, RecursiveMemoryEffects]> {
  let summary = "kernels over the same rows in one launch, intermediates in cache";
  let description = [{
    The body holds kernel.contract (M being the rows) and kernel.row operations. Each call computes
    `rows` rows of every one of them, in order; what only the body uses never leaves the caller's scratch.
    Results whose numbers are in `streamed` are read again much later, and may be stored around the caches.
    (C1) all operations of the body run over the same number of rows. (C2) `rows`, where set, is at least 1. (C3) nothing in the body reads a streamed result.
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$rows, OptionalAttr<DenseI64ArrayAttr>:$streamed);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`rows` $rows^)? (`streamed` $streamed^)? attr-dict `:` type($results) $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows that the whole chain runs over.
    int64_t getRowCount();
  }];
}

def Kernel_CopyOp : Kernel_Op<"copy", [Pure]> {
  let summary = "the result's element d is the input's element map(d), 0 outside of it";
  let description = [{
    Transposes, pads, slices, and the packing of weights. With `rounds T`, or into a type of 16 bits,
    elements are rounded to bfloat16 values.
    (C1) the map has the result's rank as dimensions and the input's rank as results.
  }];
  let arguments = (ins Kernel_Tensor:$input, AffineMapAttr:$map, OptionalAttr<TypeAttr>:$rounds);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$input (`rounds` $rounds^)? `map` $map attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The copy that makes `value` by rounding and nothing else; null where there is none.
    static CopyOp roundingOf(::mlir::Value value) {
      auto copy = value.getDefiningOp<CopyOp>();
      return copy && copy.getRounds() && copy.getMap().isIdentity() ? copy : CopyOp();
    }
  }];
}

def Kernel_PackForm : I32EnumAttr<"PackForm", "how a matrix unit reads an operand", [
    I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Pairs", 1, "pairs">]> {
  let cppNamespace = "::danaus::kernel";
}

def Kernel_PackOp : Kernel_Op<"pack", [Pure]> {
  let summary = "an operand of a matrix unit, as bfloat16, padded with zeros";
  let description = [{
    Element (batch..., c, k) of `sizes` = (batch..., C, K) is the input's element map(batch..., c, k).
    `rows`: the result is (batch..., C up to 16, K up to 32). `pairs`: it is (batch..., ceil(C / 16 G), G, K/2 up to 16,
    16, 2), c = (16 d + lane) G + g: two neighbours of K lie together, and a group's columns go into G panels.
    Elements are rounded; with `terms` = 3 (`pairs` of float32 only) each becomes three numbers whose sum it is, leading
    bits first, k and k + 16 of each 32 of K lie together, and the result is (batch..., ceil(C / 16 G), G, ceil(K / 32), 3, 16, 16, 2).
    (C1) the map is over sizes and has the input's rank as results. (C2) sizes has at least 2 entries.
    (C3) the result has the shape of its form and is bfloat16. (C4) group is at least 1, and 1 for rows. (C5) terms is 3.
  }];
  let arguments = (ins Kernel_Tensor:$input, Kernel_PackForm:$form, DenseI64ArrayAttr:$sizes, I64Attr:$group,
                       OptionalAttr<I64Attr>:$terms, AffineMapAttr:$map);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = [{
    $form $input `sizes` $sizes `group` $group (`terms` $terms^)? `map` $map attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The shape of the result of a form.
    static ::llvm::SmallVector<int64_t> shapeOf(PackForm form, ::llvm::ArrayRef<int64_t> sizes, int64_t group,
                                                int64_t terms = 1);
  }];
}

def Kernel_ReduceOp : Kernel_Op<"reduce", [Pure, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "sums over rows of element-wise terms: (batch, rows, columns) to (batch, columns), rows in order";
  let description = [{
    Iteration space (batch, row, column) = sizes; maps = (inputs..., results...). The region sees one element of each
    input and yields one term per result.
    (C1) one map per input and result, over 3 dimensions. (C2) the region takes one scalar per input and
    yields one per result. (C3) sizes has 3 entries. (C4) no result depends on the row.
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$inputs, DenseI64ArrayAttr:$sizes, AffineMapArrayAttr:$maps);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$inputs `sizes` $sizes `maps` $maps attr-dict `:` functional-type(operands, results) $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) { return ::mlir::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue(); }
    ::mlir::AffineMap getResultMap(unsigned i) { return getMap(getInputs().size() + i); }
  }];
}

class Kernel_AttentionKernel<string mnemonic> : Kernel_Op<mnemonic, [Pure]> {
  let description = [{
    Tensors as nn.attention has them. Scores exist for one tile at a time, in scratch. `tile` = [queries, keys] of a
    tile, set by kernel-choose-tiles. `products` T: the operands of products, queries, keys, values, probabilities and
    gradients, are rounded to T on the way; sums and the softmax are float32. With `matrix_unit` the processor's matrix
    unit multiplies.
    (C1) query (batch, tokens, d). (C2) heads divides d. (C3) logsumexp is (batch, heads, tokens).
    (C4) tile, where set, has 2 positive entries. (C5) With matrix_unit, products are bf16.
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<int64_t> getShape() { return ::mlir::cast<::mlir::RankedTensorType>(getQuery().getType()).getShape(); }
    int64_t getBatch() { return getShape()[0]; }
    int64_t getTokens() { return getShape()[1]; }
    int64_t getHeadSize() { return getShape()[2] / int64_t(getHeads()); }
    /// Of one product of (tokens, head size) with (tokens, head size), over all heads and samples.
    int64_t getProductMacs() { return getBatch() * getTokens() * getTokens() * getShape()[2]; }
  }];
}

def Kernel_AttentionOp : Kernel_AttentionKernel<"attention"> {
  let summary = "attention of one tile of queries of one head per call, over tiles of keys with a running softmax";
  let arguments = (ins Kernel_Tensor:$query, Kernel_Tensor:$key, Kernel_Tensor:$value, I64Attr:$heads,
                       OptionalAttr<DenseI64ArrayAttr>:$tile, OptionalAttr<TypeAttr>:$products, UnitAttr:$matrix_unit);
  let results = (outs Kernel_Tensor:$result, Kernel_Tensor:$logsumexp);
  let assemblyFormat = [{
    $query `,` $key `,` $value `heads` $heads (`tile` $tile^)? (`products` $products^)? (`matrix_unit` $matrix_unit^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Kernel_AttentionBackwardOp : Kernel_AttentionKernel<"attention_backward"> {
  let summary = "gradients of query, key and value of one head per call; probabilities are computed again, tile by tile";
  let arguments = (ins Kernel_Tensor:$query, Kernel_Tensor:$key, Kernel_Tensor:$value, Kernel_Tensor:$result,
                       Kernel_Tensor:$logsumexp, Kernel_Tensor:$gradient, I64Attr:$heads,
                       OptionalAttr<DenseI64ArrayAttr>:$tile, OptionalAttr<TypeAttr>:$products, UnitAttr:$matrix_unit);
  let results = (outs Kernel_Tensor:$query_gradient, Kernel_Tensor:$key_gradient, Kernel_Tensor:$value_gradient);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $result `,` $logsumexp `,` $gradient `heads` $heads (`tile` $tile^)? (`products` $products^)? (`matrix_unit` $matrix_unit^)? attr-dict
    `:` functional-type(operands, results)
  }];
}

def Kernel_SquareNormOp : Kernel_Op<"square_norm", [Pure]> {
  let summary = "partial sums of squares over the flat gradient buffer, one per call";
  let arguments = (ins Variadic<Kernel_Tensor>:$gradients);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$gradients attr-dict `:` type($gradients) `->` type($result)";
}

def Kernel_MetricsOp : Kernel_Op<"metrics", [Pure]> {
  let summary = "the metrics buffer from row losses, row hits and partial square norms";
  let arguments = (ins Kernel_Tensor:$loss, Kernel_Tensor:$correct, Kernel_Tensor:$control,
                       Optional<Kernel_Tensor>:$square_norm, UnitAttr:$scaled);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = [{
    $loss `,` $correct `,` $control (`norm` $square_norm^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Kernel_UpdateOp : Kernel_Op<"update", [Pure, AttrSizedOperandSegments, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "one element-wise update of many tensors that lie one behind the other, in place";
  let description = [{
    parameters (P of them), gradients (P), states (S blocks of P), then scalars read at run time:
    control[i] for i in control_indices and metrics[i] for i in metrics_indices. The region takes (parameter,
    gradient, S states, control scalars..., metrics scalars...) and yields (parameter, S states).
    (C1) segments have P, P, and S*P entries of pairwise equal types. (C2) the region's signature.
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$parameters, Variadic<Kernel_Tensor>:$gradients,
                       Variadic<Kernel_Tensor>:$states, Kernel_Tensor:$control, Kernel_Tensor:$metrics,
                       DenseI64ArrayAttr:$control_indices, DenseI64ArrayAttr:$metrics_indices);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `parameters` `(` $parameters `)` `gradients` `(` $gradients `)` `states` `(` $states `)`
    $control $control_indices `,` $metrics $metrics_indices attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getNumStates() { return getParameters().empty() ? 0 : getStates().size() / getParameters().size(); }
  }];
}

#endif
