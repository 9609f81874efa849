// RUN: danaus-opt %s --nn-build-steps | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// The gradient of a weight is the contraction with the maps exchanged; the input needs none.
// CHECK-NOT: @forward
// CHECK-LABEL: func.func @train_step
// CHECK: %[[Y:.*]] = nn.contract %{{.*}}, %{{.*}} sizes [4, 3, 8]
// CHECK: %[[L:.*]], %[[H:.*]] = nn.cross_entropy_loss %[[Y]]
// CHECK: %[[D:.*]] = nn.cross_entropy_backward %[[Y]]
// CHECK: %[[G:.*]] = nn.contract %[[D]], %arg0 sizes [4, 3, 8]
// CHECK: %[[N:.*]] = nn.square_norm %[[G]]
// CHECK: %[[M:.*]] = nn.batch_metrics %[[L]], %[[H]], %arg2 norm %[[N]]
// CHECK: nn.adam_step %arg3, %[[G]], %arg2, %[[M]], %arg4, %arg5 {{.*}}max_norm = 1.000000e+00
// CHECK-LABEL: func.func @eval_step
// CHECK-NOT: nn.adam_step
module attributes {nn.optimizer = {kind = "adam"}, nn.clip_grad_norm = 1.0 : f64} {
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>,
                     %w: tensor<3x8xf32> {nn.name = "w", nn.role = "parameter"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>) {
    %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
    %loss, %hit = nn.cross_entropy_loss %y, %l, %c smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %y : tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>
  }
}
