// RUN: danaus-opt %s --nn-build-steps | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// An update in several micro-batches: one program adds gradients, row losses and row hits up, the other updates
// from the sums. The second has the arguments of the first, in the same order, and behind them the states.
// CHECK-LABEL: func.func @gradient_step
// CHECK-SAME: %arg4: tensor<3x8xf32> {nn.name = "w.gradient", nn.role = "gradient"}
// CHECK-SAME: %arg5: tensor<4xf32> {nn.name = "loss_sum", nn.role = "sum"}
// CHECK: %[[L:.*]], %[[H:.*]] = nn.cross_entropy_loss
// CHECK: %[[G:.*]] = nn.contract %{{.*}}, %arg0
// CHECK: %[[S0:.*]] = nn.accumulate %arg4, %[[G]], %arg2
// CHECK: %[[S1:.*]] = nn.accumulate %arg5, %[[L]], %arg2
// CHECK: %[[S2:.*]] = nn.accumulate %arg6, %[[H]], %arg2
// CHECK: return %[[S0]], %[[S1]], %[[S2]]
// CHECK-LABEL: func.func @update_step
// CHECK-SAME: %arg7: tensor<3x8xf32> {nn.name = "w.m", nn.role = "state"}
// CHECK-NEXT: %[[N:.*]] = nn.square_norm %arg4 : tensor<3x8xf32> -> tensor<64xf32>
// CHECK-NEXT: %[[M:.*]] = nn.batch_metrics %arg5, %arg6, %arg2 norm %[[N]]
// CHECK-NEXT: nn.adam_step %arg3, %arg4, %arg2, %[[M]], %arg7, %arg8
// CHECK-LABEL: func.func @eval_step
module attributes {nn.optimizer = {kind = "adam"}, nn.clip_grad_norm = 1.0 : f64, nn.accumulates} {
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>,
                     %w: tensor<3x8xf32> {nn.name = "w", nn.role = "parameter"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>) {
    %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
    %loss, %hit = nn.cross_entropy_loss %y, %l, %c smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %y : tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>
  }
}
