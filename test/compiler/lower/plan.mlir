// RUN: danaus-opt %s --kernel-plan | FileCheck %s
#rc = affine_map<(r, c) -> (r, c)>
#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>

// Equal kernels are one function; temporaries whose lives do not overlap share memory; the metrics of both
// programs are one buffer.
// CHECK: plan.buffer "input" "input" tensor<4x16xf32> at 0
// CHECK: plan.buffer "metrics" "metrics" tensor<16xf32> at [[METRICS:[0-9]+]]
// CHECK: plan.buffer "logits" "logits"
// CHECK: plan.program @train_step batch 4
// CHECK-NEXT: plan.live "row" at [[A:[0-9]+]] bytes 256 stages 0 to 1
// CHECK-NEXT: plan.live "row" at [[B:[0-9]+]] bytes 256 stages 1 to 2
// CHECK-NEXT: plan.live "row" at [[A]] bytes 256 stages 2 to 3
// CHECK-NEXT: plan.stage
// CHECK: plan.launch @row_0 [0, [[A]]]
// CHECK: plan.stage
// CHECK: plan.launch @row_0 {{\[}}[[A]], [[B]]]
// CHECK: plan.stage
// CHECK: plan.launch @row_0 {{\[}}[[B]], [[A]]]
// CHECK: plan.program @eval_step batch 4
// CHECK-COUNT-1: func.func private @row_0
// CHECK-NOT: @row_1
func.func @train_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %m: tensor<4xf32> {nn.name = "l", nn.role = "label"},
                      %c: tensor<16xf32> {nn.name = "control", nn.role = "control"}) -> tensor<16xf32> {
  %a = kernel.row %x sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %b = kernel.row %a sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %d = kernel.row %b sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %s = kernel.reduce %d sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return %s : tensor<16xf32>
}
func.func @eval_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %m: tensor<4xf32> {nn.name = "l", nn.role = "label"},
                     %c: tensor<16xf32> {nn.name = "control", nn.role = "control"}) -> (tensor<16xf32>, tensor<4x16xf32>) {
  %a = kernel.row %x sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %s = kernel.reduce %a sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return %s, %a : tensor<16xf32>, tensor<4x16xf32>
}
