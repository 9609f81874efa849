// RUN: danaus-opt %s | danaus-opt | FileCheck %s

// CHECK: plan.buffer "x" "input" tensor<4xf32> at 64
plan.buffer "x" "input" tensor<4xf32> at 64
// CHECK: plan.shard "a to b" parameters 0 gradients 128 states [256, 320] bytes 64
plan.shard "a to b" parameters 0 gradients 128 states [256, 320] bytes 64
func.func private @k(tensor<4xf32>) -> tensor<4xf32>
// CHECK: plan.program @train_step batch 4
plan.program @train_step batch 4 {
  // CHECK: plan.live "row x" at 128 bytes 16 stages 0 to 0
  plan.live "row x" at 128 bytes 16 stages 0 to 0
  // CHECK: plan.stage
  plan.stage {
    // CHECK: plan.launch @k [64, 128] "row x" flops 8 bytes 32
    plan.launch @k [64, 128] "row x" flops 8 bytes 32
    // CHECK: plan.launch @k [64, 128] strides [64, 0] "row x" flops 8 bytes 32
    plan.launch @k [64, 128] strides [64, 0] "row x" flops 8 bytes 32
  }
  // CHECK: plan.reduce_scatter 0 at 128 elements 32 "b.gradient"
  plan.reduce_scatter 0 at 128 elements 32 "b.gradient"
  // CHECK: plan.all_reduce 1 at 0 elements 2 "loss"
  plan.all_reduce 1 at 0 elements 2 "loss"
  // CHECK: plan.all_gather 2 at 0 elements 32 "b"
  plan.all_gather 2 at 0 elements 32 "b"
  // CHECK: plan.wait 2
  plan.wait 2
}
