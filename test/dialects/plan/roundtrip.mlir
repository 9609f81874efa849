// RUN: danaus-opt %s | danaus-opt | FileCheck %s

// CHECK: plan.buffer "x" "input" tensor<4xf32> at 64
plan.buffer "x" "input" tensor<4xf32> at 64
func.func private @k(tensor<4xf32>) -> tensor<4xf32>
// CHECK: plan.program @train_step batch 4
plan.program @train_step batch 4 {
  // CHECK: plan.stage
  plan.stage {
    // CHECK: plan.launch @k [64, 128] "row x" flops 8 bytes 32
    plan.launch @k [64, 128] "row x" flops 8 bytes 32
  }
}
