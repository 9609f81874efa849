// The plan dialect: where every buffer lies and what is launched when. Nothing is decided after it.
#ifndef DANAUS_PLAN_OPS_TD
#define DANAUS_PLAN_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::danaus::plan";
  let summary = "one arena, offsets, stages of independent launches";
  let description = [{
    A kernel is a func.func on tensors (its operands, then its results as return values), called once per tile;
    a launch binds it to arena offsets: operands first, then results. Launches of one stage are
    independent; a barrier stands between stages.
  }];
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_BufferOp : Plan_Op<"buffer"> {
  let summary = "a named place in the arena";
  let description = [{
    `role` is "parameter", "gradient", "state", "input", "label", "mix_label", "mix_weight", "control",
    "metrics", "logits", "sum", "activation" or "packed". A reader finds parameters by name; `offset` is in bytes from the start of the arena.
    (C1) offset is a multiple of 64.
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$role, TypeAttr:$type, I64Attr:$offset);
  let assemblyFormat = "$name $role $type `at` $offset attr-dict";
  let hasVerifier = 1;
}

def Plan_ProgramOp : Plan_Op<"program", [Symbol, NoTerminator, SingleBlock]> {
  let summary = "the stages of one step";
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$batch);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `batch` $batch attr-dict-with-keyword $body";
}

def Plan_StageOp : Plan_Op<"stage", [NoTerminator, SingleBlock, HasParent<"ProgramOp">]> {
  let summary = "launches that may run at the same time";
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
}

def Plan_LaunchOp : Plan_Op<"launch", [HasParent<"StageOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one kernel on given places";
  let description = [{
    On rank r of several, offset i is offsets[i] + r * strides[i].
    (C1) the kernel exists. (C2) there is one offset per operand and result of the kernel. (C3) and one stride, where
    there are strides, which are multiples of 64.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, DenseI64ArrayAttr:$offsets, StrAttr:$label,
                       I64Attr:$flops, I64Attr:$bytes, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let assemblyFormat = "$kernel $offsets (`strides` $strides^)? $label `flops` $flops `bytes` $bytes attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$kernel, "::llvm::ArrayRef<int64_t>":$offsets,
                                 "::llvm::StringRef":$label, "int64_t":$flops, "int64_t":$bytes), [{
    build($_builder, $_state, kernel, offsets, label, flops, bytes, ::mlir::DenseI64ArrayAttr());
  }]>];
}

def Plan_LiveOp : Plan_Op<"live", [HasParent<"ProgramOp">]> {
  let summary = "a value that has a range of the arena from one stage to another";
  let description = [{
    Says what lies where when; nothing is done. `label` is that of the launch that makes the value. Stages count
    from 0, and the value is there in both of those named.
    (C1) offset is a multiple of 64, bytes is positive. (C2) 0 <= first <= last.
  }];
  let arguments = (ins StrAttr:$label, I64Attr:$offset, I64Attr:$bytes, I64Attr:$first, I64Attr:$last);
  let assemblyFormat = "$label `at` $offset `bytes` $bytes `stages` $first `to` $last attr-dict";
  let hasVerifier = 1;
}

def Plan_ShardOp : Plan_Op<"shard"> {
  let summary = "neighbouring parameters whose update is shared by the ranks";
  let description = [{
    Of a run of parameters and of their gradients, rank r updates the `bytes` from r * `bytes` on. It alone holds the
    optimizer's states of these, each at one of `states`; no rank holds those of others.
    (C1) offsets are multiples of 64, and so is `bytes`, which is positive.
  }];
  let arguments = (ins StrAttr:$label, I64Attr:$parameters, I64Attr:$gradients, DenseI64ArrayAttr:$states, I64Attr:$bytes);
  let assemblyFormat = "$label `parameters` $parameters `gradients` $gradients `states` $states `bytes` $bytes attr-dict";
  let hasVerifier = 1;
}

class Plan_Collective<string mnemonic, string parts> : Plan_Op<mnemonic, [HasParent<"ProgramOp">]> {
  let description = parts # [{
    Begins once the stages before it are done, and goes on beside those behind it. All ranks begin them in the
    same order. With one rank it does nothing.
    (C1) offset is a multiple of 64, elements (float32) is positive, and where ranks have parts a multiple of 16.
    (C2) the numbers of a program's all_reduce, reduce_scatter and all_gather together count from 0.
  }];
  let arguments = (ins I64Attr:$number, I64Attr:$offset, I64Attr:$elements, StrAttr:$label);
  let assemblyFormat = "$number `at` $offset `elements` $elements $label attr-dict";
  let hasVerifier = 1;
}

def Plan_AllReduceOp : Plan_Collective<"all_reduce", ""> {
  let summary = "begins to add up a range of the arena over all ranks";
}

def Plan_ReduceScatterOp : Plan_Collective<"reduce_scatter", [{
    Of R ranks, rank r has part r of R equal ones; what its other parts hold then is not defined.
  }]> {
  let summary = "begins to add up a range of the arena, of which each rank gets the sums of its part";
}

def Plan_AllGatherOp : Plan_Collective<"all_gather", "\n    The parts are those of reduce_scatter.\n"> {
  let summary = "begins to give all ranks the parts of a range of the arena that each of them has";
}

def Plan_WaitOp : Plan_Op<"wait", [HasParent<"ProgramOp">]> {
  let summary = "the collective of this number, and all that began before it, is done before the stages behind";
  let description = [{
    (C1) the collective stands before it in the same program.
  }];
  let arguments = (ins I64Attr:$number);
  let assemblyFormat = "$number attr-dict";
  let hasVerifier = 1;
}

#endif
