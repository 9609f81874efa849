// RUN: danaus-opt %s --split-input-file --nn-lower-precision | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// Both operands of every product are rounded, each value once, right where it is made; sums are not.
// CHECK-LABEL: @products
// CHECK-DAG: %[[W:.*]] = nn.round %arg1 to bf16 : tensor<8x8xf32>
// CHECK-DAG: %[[X:.*]] = nn.round %arg0 to bf16 : tensor<4x8xf32>
// CHECK: %[[Y:.*]] = nn.contract %[[X]], %[[W]]
// CHECK-NEXT: %[[H:.*]] = nn.relu %[[Y]]
// CHECK-NEXT: %[[R:.*]] = nn.round %[[H]] to bf16
// CHECK-NEXT: %[[Z:.*]] = nn.contract %[[R]], %[[W]]
// CHECK-NEXT: return %[[Z]], %[[H]]
module attributes {nn.operands = bf16} {
  func.func @products(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %y = nn.contract %x, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %h = nn.relu %y : tensor<4x8xf32>
    %z = nn.contract %h, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    return %z, %h : tensor<4x8xf32>, tensor<4x8xf32>
  }
}

// -----

#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// Without the attribute nothing changes.
// CHECK-LABEL: @plain
// CHECK-NOT: nn.round
func.func @plain(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %y = nn.contract %x, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

module attributes {nn.operands = bf16} {
  // What the backward pass needs of an activation's input is kept rounded; the forward pass reads it as
  // it is. The gradient of a bias sums the copy that products read.
  // CHECK-LABEL: @kept
  // CHECK: %[[G:.*]] = nn.round %arg2 to bf16
  // CHECK: %[[Y:.*]] = nn.contract
  // CHECK-NEXT: %[[SAVED:.*]] = nn.round %[[Y]] to bf16
  // CHECK-NEXT: nn.gelu %[[Y]]
  // CHECK: %[[H:.*]] = nn.contract %[[G]]
  // CHECK-NEXT: %[[D:.*]] = nn.gelu_backward %[[SAVED]], %[[H]]
  // CHECK-NEXT: %[[R:.*]] = nn.round %[[D]] to bf16
  // CHECK-NEXT: nn.sum_leading %[[R]]
  // CHECK-NEXT: nn.sum_leading %[[G]]
  // CHECK-NEXT: nn.contract %[[R]]
  func.func @kept(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %g: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4x8xf32>) {
    %y = nn.contract %x, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %a = nn.gelu %y : tensor<4x8xf32>
    %z = nn.contract %a, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %h = nn.contract %g, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %d = nn.gelu_backward %y, %h : tensor<4x8xf32>
    %b = nn.sum_leading %d : tensor<4x8xf32> -> tensor<8xf32>
    %c = nn.sum_leading %g : tensor<4x8xf32> -> tensor<8xf32>
    %e = nn.contract %d, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    return %z, %b, %c, %e : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4x8xf32>
  }

  // A ReLU's gradient asks its rounded result, which is there: the input is not kept at all.
  // CHECK-LABEL: @relu
  // CHECK: %[[Y:.*]] = nn.contract
  // CHECK-NEXT: %[[A:.*]] = nn.relu %[[Y]]
  // CHECK-NEXT: %[[R:.*]] = nn.round %[[A]] to bf16
  // CHECK: nn.relu_backward %[[R]], %arg2
  func.func @relu(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %g: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %y = nn.contract %x, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %a = nn.relu %y : tensor<4x8xf32>
    %z = nn.contract %a, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %d = nn.relu_backward %y, %g : tensor<4x8xf32>
    return %z, %d : tensor<4x8xf32>, tensor<4x8xf32>
  }

  // A residual stream that a norm's gradient reads stays as it is, for the activation on it too, and so does the norm's
  // input; what no product reads is summed up as it is.
  // CHECK-LABEL: @stream
  // CHECK: %[[S:.*]] = nn.add %arg0
  // CHECK-NEXT: %[[V:.*]] = nn.reshape %[[S]]
  // CHECK-NEXT: nn.layer_norm %[[V]]
  // CHECK-NEXT: nn.gelu %[[S]]
  // CHECK-NOT: nn.round
  // CHECK: nn.gelu_backward %[[S]], %arg3
  // CHECK-NEXT: nn.layer_norm_backward %[[V]]
  // CHECK-NEXT: nn.sum_leading %arg3
  func.func @stream(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>, %g: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>) {
    %y = nn.contract %x, %w sizes [4, 8, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %s = nn.add %x, %y : tensor<4x8xf32>, tensor<4x8xf32>
    %v = nn.reshape %s : tensor<4x8xf32> -> tensor<4x8xf32>
    %n, %mean, %rstd = nn.layer_norm %v, %b, %b epsilon 0.5 : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<4xf32>
    %a = nn.gelu %s : tensor<4x8xf32>
    %d = nn.gelu_backward %s, %g : tensor<4x8xf32>
    %e = nn.layer_norm_backward %v, %b, %mean, %rstd, %g : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>
    %c = nn.sum_leading %g : tensor<4x8xf32> -> tensor<8xf32>
    return %n, %a, %d, %e, %c : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>
  }
}
