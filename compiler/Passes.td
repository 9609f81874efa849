// Every pass of the compiler, in the order in which Pipelines.cpp runs them.
#ifndef DANAUS_COMPILER_PASSES_TD
#define DANAUS_COMPILER_PASSES_TD

include "mlir/Pass/PassBase.td"

def NNRecognise : Pass<"nn-recognise", "::mlir::func::FuncOp"> {
  let summary = "turn chains of primitives into structured linears where they are provably the same function";
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
  let summary = "derive @train_step and @eval_step from @forward";
  let description = [{
    @forward(input, labels, control, parameters...) -> (row losses, row hits, logits) is differentiated by
    DifferentiableOpInterface, in reverse order of its operations; the optimizer named by the module's
    attribute `nn.optimizer` updates each parameter. @train_step takes state after the parameters and
    returns (new parameters..., new state..., metrics); @eval_step returns (metrics, logits). @forward goes.
  }];
  let dependentDialects = ["::danaus::nn::NNDialect"];
}

#endif
