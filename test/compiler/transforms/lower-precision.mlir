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
