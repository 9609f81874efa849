// Every pass of the compiler, in the order in which Pipelines.cpp runs them.
#ifndef DANAUS_COMPILER_PASSES_TD
#define DANAUS_COMPILER_PASSES_TD

include "mlir/Pass/PassBase.td"

def NNRecognise : Pass<"nn-recognise", "::mlir::func::FuncOp"> {
  let summary = "turn chains of primitives into structured linears where they are provably the same function";
  let description = [{
    A product with a weight is a linear, an addition after a linear its bias, two linears through a narrow middle a
    low-rank linear, and two batched products with Monarch's permutation between them a Monarch linear. A permutation
    is checked element by element, however it is written. A remark says why a chain that came close is none.

    ```mlir
    %vt = nn.transpose %v [1, 0] : tensor<4x32xf32> -> tensor<32x4xf32>
    %h = nn.matmul %x, %vt : tensor<8x32xf32>, tensor<32x4xf32> -> tensor<8x4xf32>
    %ut = nn.transpose %u [1, 0] : tensor<16x4xf32> -> tensor<4x16xf32>
    %y = nn.matmul %h, %ut : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>
    // becomes
    %y = nn.low_rank_linear %x, %v, %u : tensor<8x32xf32>, tensor<4x32xf32>, tensor<16x4xf32> -> tensor<8x16xf32>
    ```
  }];
  let dependentDialects = ["::danaus::nn::NNDialect"];
}

def NNExpandLinears : Pass<"nn-expand-linears", "::mlir::func::FuncOp"> {
  let summary = "write linears, structured or not, and matrix products as nn.contract and nn.add";
  let description = [{
    Every operation with StructuredLinearOpInterface builds itself from contractions; matmul and
    batch_matmul do the same. Afterwards nn.contract is the only operation that multiplies matrices.

    ```mlir
    %y = nn.linear %x, %w bias %b : tensor<10xf32> : tensor<4x8xf32>, tensor<10x8xf32> -> tensor<4x10xf32>
    // becomes
    %0 = nn.contract %x, %w sizes [4, 10, 8] maps [...] : ... -> tensor<4x10xf32>
    %y = nn.add %0, %b : tensor<4x10xf32>, tensor<10xf32>
    ```
  }];
  let dependentDialects = ["::danaus::nn::NNDialect"];
}

def NNBuildSteps : Pass<"nn-build-steps", "::mlir::ModuleOp"> {
  let summary = "derive the programs of training and evaluation from @forward";
  let description = [{
    @forward(input, labels, control, parameters...) -> (row losses, row hits, logits) is differentiated by
    DifferentiableOpInterface, in reverse order of its operations; the optimizer named by the module's
    attribute `nn.optimizer` updates each parameter. @train_step takes state after the parameters and
    returns (new parameters..., new state..., metrics); @eval_step returns (metrics, logits). @forward goes.

    With the module attribute `nn.mixes` second labels and weights stand after control, which @eval_step leaves
    aside. With `nn.accumulates` an update takes several micro-batches, and two programs stand in for @train_step:
    @gradient_step takes sums (a gradient per parameter, row losses, row hits) after the parameters and returns
    them with one more term (nn.accumulate); @update_step makes norm, metrics and update of them.
    With `nn.recompute` the backward pass reads copies of the operations of repeated blocks, made from the block's
    inputs by way of nn.after, so that they run when their gradients are needed and not before.
    With `nn.ema` a moving average of each parameter is its last state (nn.ema_step).
  }];
  let dependentDialects = ["::danaus::nn::NNDialect"];
}

def NNLowerPrecision : Pass<"nn-lower-precision", "::mlir::func::FuncOp"> {
  let summary = "round the operands of matrix products to 16 bits";
  let description = [{
    Where the module has `nn.operands = bf16` (or f16), both operands of every nn.contract, forward and backward, go
    through nn.round, once each; sums, parameters, their updates and everything element-wise stay float32.

    What else the backward pass reads in 16 bits: nn.sum_leading, the gradient of a bias, sums the rounded value where
    a product reads one; the gradient of an activation takes the rounded input of the activation (of a ReLU its
    rounded result, where there is one), unless a norm's or an attention's gradient reads that input too, and keeps it
    in float32. Both only read rounded values: sums and what an activation makes are float32.

    ```mlir
    %y = nn.contract %x, %w sizes [4, 10, 8] maps [...] : ...
    // becomes
    %xr = nn.round %x to bf16 : tensor<4x8xf32>
    %wr = nn.round %w to bf16 : tensor<10x8xf32>
    %y = nn.contract %xr, %wr sizes [4, 10, 8] maps [...] : ...
    ```
  }];
  let dependentDialects = ["::danaus::nn::NNDialect"];
}

def NNFormKernels : Pass<"nn-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "every nn operation becomes one kernel operation";
  let description = [{
    Contractions get their roles (batch, M, N, K); element-wise operations and losses become kernel.row with scalar
    code; optimizer steps become kernel.update. nn.reshape stays: it moves nothing.

    ```mlir
    %1 = nn.relu %0 : tensor<4x8xf32>
    // becomes
    %1 = kernel.row %0 sizes [4, 8] maps [#id, #id] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%x: f32): ... kernel.yield %max : f32
    }
    ```

    What nn.round gives lies in memory in 16 bits with `store-bf16` or `store-f16`, by its type; else as float32 numbers
    that are rounded.
  }];
  let options = [Option<"storeBf16", "store-bf16", "bool", "false", "keep values rounded to bfloat16 as such">,
                 Option<"storeF16", "store-f16", "bool", "false", "keep values rounded to float16 as such">,
                 Option<"roundAttention", "round-attention", "bool", "false",
                        "attention multiplies in the type of `nn.operands` where that is stored">,
                 Option<"groupBf16", "group-bf16", "bool", "false",
                        "an interleaved batch of both operands becomes a group in bfloat16 too: a CPU's matrix unit">];
  let dependentDialects = ["::danaus::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def KernelFuseEpilogues : Pass<"kernel-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "move element-wise code into the epilogue of the contraction that makes its input";
  let description = [{
    Bias, activation, and the gradients of activations then cost no pass over memory. A remark says why a
    neighbour is none; it may still join a chain (--emit=fusion tells the end of it).

    ```mlir
    %0 = kernel.contract %x, %w ... { ^bb0(%sum: f32): kernel.yield %sum : f32 }
    %1 = kernel.row %0, %b ... { ^bb0(%z: f32, %bias: f32): %s = arith.addf %z, %bias : f32  kernel.yield %s : f32 }
    // becomes
    %1 = kernel.contract %x, %w extras(%b) ... {
    ^bb0(%sum: f32, %bias: f32): %s = arith.addf %sum, %bias : f32  kernel.yield %s : f32
    }
    ```
  }];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelFuseRounding : Pass<"kernel-fuse-rounding", "::mlir::func::FuncOp"> {
  let summary = "move the rounding of a row kernel's result into the row kernel";
  let description = [{
    A kernel.row with one input, element by element, becomes one more result of the kernel.row that makes its input; the
    unrounded result goes where nobody else reads it.
  }];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelFormChains : Pass<"kernel-form-chains", "::mlir::func::FuncOp"> {
  let summary = "kernels over the same rows become one launch, intermediates in cache";
  let description = [{
    An operation joins the chain when it treats rows one by one, over the same number of rows, and reads from the
    chain only its own row. Weights' gradients sum over rows and stay outside; forward, loss and the gradients of
    activations of a multi-layer perceptron become one chain. A product of few rows and many weights (128 rows, 784 inputs)
    stays outside too, and its calls go `by_columns`: a thread then reads a part of the weights, the one that it updates
    and packs, where in a chain it would read all of them.
  }];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelFormBlockChains : Pass<"kernel-form-block-chains", "::mlir::func::FuncOp"> {
  let summary = "contractions become one launch of a GPU, what lies between them in shared memory";
  let description = [{
    A contraction joins the chain of the one whose rows it reads, where that is cheaper by the model of
    compiler/lower/BlockCost.h: the two factors of a low-rank or Monarch linear, forward and backward. A block of
    threads computes some rows of the first, keeps them in shared memory, and goes on to the next.
  }];
  let options = [
    Option<"multiprocessors", "multiprocessors", "unsigned", "108", "blocks that run at a time">,
    Option<"sharedBytes", "shared-bytes", "unsigned", "65536", "shared memory that a block may use">
  ];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelChooseTiles : Pass<"kernel-choose-tiles", "::mlir::func::FuncOp"> {
  let summary = "register tiles and rows per call";
  let description = [{
    Sets `tile` = [MR, NV, rows] of each kernel.contract and `rows` of kernel.row and kernel.chain. No reduction is
    split by it: results do not depend on the tile sizes' number of calls or threads.
  }];
  let options = [
    Option<"vectorWidth", "vector-width", "unsigned", "16", "float32 lanes of a vector register">,
    Option<"vectorRegisters", "vector-registers", "unsigned", "32", "vector registers">,
    Option<"matrixUnit", "matrix-unit", "bool", "false", "bfloat16 products go to a matrix unit of 16 x 16 tiles">
  ];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelSplitSums : Pass<"kernel-split-sums", "::mlir::func::FuncOp"> {
  let summary = "long sums become partial sums of many blocks of a GPU, and sums of these";
  let description = [{
    Gradients of weights sum over all rows of the batch, and have few results. K is cut in parts, whose number is a
    divisor of K, where more blocks gain more than the second sum costs (compiler/lower/BlockCost.h).

    ```mlir
    %0 = kernel.contract %dy, %x sizes [192, 192, 25216] maps [...] : ... -> tensor<192x192xf32>
    // becomes
    %p = kernel.contract %dy, %x sizes [8, 192, 192, 3152] maps [...] : ... -> tensor<8x192x192xf32>
    %f = nn.reshape %p : tensor<8x192x192xf32> -> tensor<8x36864xf32>
    %s = kernel.reduce %f sizes [1, 8, 36864] maps [...] : ... -> tensor<36864xf32>
    %0 = nn.reshape %s : tensor<36864xf32> -> tensor<192x192xf32>
    ```
  }];
  let options = [
    Option<"multiprocessors", "multiprocessors", "unsigned", "108", "blocks that run at a time">,
    Option<"sharedBytes", "shared-bytes", "unsigned", "65536", "shared memory that a block may use">
  ];
  let dependentDialects = ["::danaus::kernel::KernelDialect", "::danaus::nn::NNDialect"];
}

def KernelChooseBlocks : Pass<"kernel-choose-blocks", "::mlir::func::FuncOp"> {
  let summary = "what a block of threads of a GPU computes of a contraction";
  let description = [{
    Sets `tile` = [BM, BN] of each kernel.contract and `rows` of each kernel.chain: large tiles read least from shared memory per product, but small
    contractions need small ones to give every multiprocessor a block. K is summed by one block, in order.
  }];
  let options = [
    Option<"multiprocessors", "multiprocessors", "unsigned", "108", "blocks that run at a time">,
    Option<"sharedBytes", "shared-bytes", "unsigned", "65536", "shared memory that a block may use">
  ];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelStreamResults : Pass<"kernel-stream-results", "::mlir::func::FuncOp"> {
  let summary = "store around the cache what is read again much later";
  let description = [{
    Sets `streamed` of a kernel.chain: the results that nothing in the chain reads, and that no kernel reads before others have written `far-bytes`;
    and of a kernel.contract whose calls put their operands in order themselves, a gradient of a weight: they write results once, at the end.
  }];
  let options = [Option<"farBytes", "far-bytes", "unsigned", "33554432", "bytes written by others after which no cache still has a result">];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}
def KernelPackOperands : Pass<"kernel-pack-operands", "::mlir::func::FuncOp"> {
  let summary = "copy operands into panels where their columns are not neighbours in memory";
  let description = [{
    ```mlir
    kernel.contract %x, %w ... rhs map (m, n, k) -> (n, k)       // W^T: columns are far apart
    // becomes
    %p = kernel.copy %w map (slab, k, lane) -> (slab * 64 + lane, k)
    kernel.contract %x, %p ... rhs map (m, n, k) -> (n floordiv 64, k, n mod 64) panel 64
    ```

    The operands of a matrix unit are packed as it reads them (kernel.pack).
  }];
  let options = [Option<"vectorWidth", "vector-width", "unsigned", "16", "float32 lanes of a vector register">];
  let dependentDialects = ["::danaus::kernel::KernelDialect"];
}

def KernelPlan : Pass<"kernel-plan", "::mlir::ModuleOp"> {
  let summary = "stages, arena offsets, and every kernel a function";
  let description = [{
    Parameters, gradients and each optimizer state are runs of the arena with equal relative offsets; temporaries
    share memory when their stages do not overlap; both programs share one arena. Updates are in place.
    Gradients lie in the order in which the backward pass is done with them, and are added up over the ranks of a
    job in a few all-reduces, which begin as soon as their last gradient is there (Buckets.h).

    ```mlir
    plan.stage { ... }                                      // ends the gradient of head.weight
    plan.all_reduce 0 at 4096 elements 1000 "head.weight"
    plan.stage { ... }                                      // goes on with the backward pass
    plan.wait 0
    plan.stage { ... }                                      // updates
    ```

    Where the module has nn.shards, updates are sharded over so many ranks: gradients are reduce-scattered, an update is
    a launch on a rank's part of each bucket (strides from rank to rank), states are planned for a part, and parameters are
    all-gathered at the end. Otherwise an update on a CPU is a launch for each large parameter and the small ones behind it: a
    thread has the same rows of a weight in every launch. On a GPU it is one launch.
  }];
  let options = [Option<"onGpu", "gpu", "bool", "false", "the rates that buckets are cut by are those of GPUs, an update is one launch">];
  let dependentDialects = ["::danaus::plan::PlanDialect", "::danaus::kernel::KernelDialect"];
}

def CpuExpandMath : Pass<"cpu-expand-math"> {
  let summary = "exp, log, tanh and erf of float32 as polynomials for a CPU's vectors";
  let description = [{
    Within 2 ulp, special values as in C. Runs on kernels' functions, when they become LLVM.

    ```mlir
    %y = math.exp %x : vector<16xf32>
    // becomes two clamps, a rounding, a polynomial of degree 6 and a scaling by a power of two
    ```
  }];
  let options = [Option<"isaName", "isa", "std::string", "\"avx512\"", "avx512, avx2 or baseline">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect"];
}

#endif
