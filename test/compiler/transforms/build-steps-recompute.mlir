// RUN: danaus-opt %s --nn-build-steps --cse | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// The backward pass reads copies of a repeated block's operations, made from its input once the gradient of its
// result is there; the layer behind the block is not repeated, and its values are kept.
// CHECK-LABEL: func.func @train_step
// CHECK: %[[A:.*]] = nn.relu %arg0
// CHECK: %[[H:.*]] = nn.contract %[[A]], %arg3
// CHECK: %[[B:.*]] = nn.gelu %[[H]]
// CHECK: %[[Y:.*]] = nn.relu %[[B]]
// CHECK: %[[D:.*]] = nn.cross_entropy_backward %[[Y]]
// CHECK: %[[G:.*]] = nn.relu_backward %[[Y]], %[[D]]
// CHECK: %[[LATE:.*]] = nn.after %[[A]], %[[G]]
// CHECK: %[[H2:.*]] = nn.contract %[[LATE]], %arg3 {{.*}}nn.recomputed
// CHECK-NOT: nn.after
// CHECK: %[[GH:.*]] = nn.gelu_backward %[[H2]], %[[G]]
// CHECK: nn.contract %[[GH]], %[[LATE]]
// CHECK-LABEL: func.func @eval_step
// CHECK-NOT: nn.after
module attributes {nn.optimizer = {kind = "sgd"}, nn.recompute} {
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>,
                     %w: tensor<8x8xf32> {nn.name = "w", nn.role = "parameter"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>) {
    %a = nn.relu %x : tensor<4x8xf32> loc("first")
    %h = nn.contract %a, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32> loc("blocks.0.fc")
    %b = nn.gelu %h : tensor<4x8xf32> loc("blocks.0.act")
    %y = nn.relu %b : tensor<4x8xf32> loc("last")
    %loss, %hit = nn.cross_entropy_loss %y, %l, %c smoothing 0.0 : tensor<4x8xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %y : tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>
  }
}
