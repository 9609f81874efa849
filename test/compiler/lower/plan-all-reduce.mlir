// RUN: danaus-opt %s --kernel-plan | FileCheck %s
// RUN: danaus-opt %s --kernel-plan | FileCheck %s --check-prefix=ORDER
#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>
#rc = affine_map<(r, c) -> (r, c)>
module attributes {nn.bucket = 64 : i64} {
// The gradient of the last layer is there a stage before that of the first one; it is added up over the ranks while the
// other is computed, and the update waits for both.
// CHECK: plan.program @train_step
// CHECK: plan.stage
// CHECK: plan.launch @reduce_0
// CHECK: plan.all_reduce 0 at {{[0-9]+}} elements 16 "last.gradient"
// CHECK-NEXT: plan.all_reduce 1 at {{[0-9]+}} elements 2 "loss and hits"
// CHECK-NOT: plan.wait
// CHECK: plan.stage
// CHECK: plan.launch @row_0
// CHECK: plan.stage
// CHECK: plan.launch @reduce_0
// CHECK: plan.all_reduce 2 at {{[0-9]+}} elements 16 "first.gradient"
// CHECK-NEXT: plan.wait 2
// CHECK-NEXT: plan.stage
// CHECK-NEXT: plan.launch @update_0
// CHECK: plan.program @eval_step
// CHECK-NOT: plan.all_reduce
// Gradients lie in the order in which they are done, and so do parameters and state.
// ORDER: plan.buffer "first" "parameter" tensor<16xf32> at 64
// ORDER: plan.buffer "last" "parameter" tensor<16xf32> at 0
func.func @train_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %l: tensor<4xf32> {nn.name = "l", nn.role = "label"},
                      %c: tensor<16xf32> {nn.name = "control", nn.role = "control"},
                      %first: tensor<16xf32> {nn.name = "first", nn.role = "parameter"},
                      %last: tensor<16xf32> {nn.name = "last", nn.role = "parameter"}) -> (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %g = kernel.reduce %x sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %a = kernel.row %x sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %b = kernel.row %a sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %h = kernel.reduce %b sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %s = kernel.metrics %l, %l, %c : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<16xf32>
  %u:2 = kernel.update parameters(%first, %last) gradients(%h, %g) states() %c [0], %s [0] : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  ^bb0(%p: f32, %d: f32, %lr: f32, %loss: f32):
    %n = arith.subf %p, %d : f32
    kernel.yield %n : f32
  }
  return %u#0, %u#1, %s : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>
}func.func @eval_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %l: tensor<4xf32> {nn.name = "l", nn.role = "label"},
                     %c: tensor<16xf32> {nn.name = "control", nn.role = "control"},
                     %first: tensor<16xf32> {nn.name = "first", nn.role = "parameter"},
                     %last: tensor<16xf32> {nn.name = "last", nn.role = "parameter"}) -> (tensor<16xf32>, tensor<4x16xf32>) {
  %a = kernel.row %x sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %s = kernel.metrics %l, %l, %c : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %s, %a : tensor<16xf32>, tensor<4x16xf32>
}
}
