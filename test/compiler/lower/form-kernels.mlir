// RUN: danaus-opt %s --nn-form-kernels | FileCheck %s
// CHECK: affine_map<(d0, d1, d2) -> (d0, d2 * 4 + d1 mod 4)>
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>
#h = affine_map<(t, l, o, c) -> (t, c * 4 + l)>
#w2 = affine_map<(t, l, o, c) -> (l, o, c)>
#z = affine_map<(t, l, o, c) -> (t, o * 4 + l)>

// CHECK-LABEL: @dense
// CHECK: kernel.contract %arg0, %arg1 sizes [4, 3, 8]
func.func @dense(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) -> tensor<4x3xf32> {
  %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// The gradient of the weight: the result is contiguous along i, so i is vectorised.
// CHECK-LABEL: @weight_gradient
// CHECK: kernel.contract %arg1, %arg0 sizes [3, 8, 4]
func.func @weight_gradient(%x: tensor<4x8xf32>, %d: tensor<4x3xf32>) -> tensor<3x8xf32> {
  %g = nn.contract %d, %x sizes [4, 3, 8] maps [#y, #x, #w] : tensor<4x3xf32>, tensor<4x8xf32> -> tensor<3x8xf32>
  return %g : tensor<3x8xf32>
}

// Monarch's second factor: the blocks become a group of neighbours; 30 of 32 outputs are computed.
// CHECK-LABEL: @monarch_group
// CHECK: kernel.contract %arg0, %arg1 sizes [5, 30, 6] maps [#
func.func @monarch_group(%h: tensor<5x24xf32>, %w: tensor<4x8x6xf32>) -> tensor<5x30xf32> {
  %y = nn.contract %h, %w sizes [5, 4, 8, 6] maps [#h, #w2, #z] : tensor<5x24xf32>, tensor<4x8x6xf32> -> tensor<5x30xf32>
  return %y : tensor<5x30xf32>
}

// CHECK-LABEL: @relu
// CHECK: kernel.row %arg0 sizes [4, 8]
// CHECK: arith.cmpf ole
// CHECK: arith.select
func.func @relu(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %y = nn.relu %x : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @transpose
// CHECK: kernel.copy %arg0 map
func.func @transpose(%x: tensor<4x8xf32>) -> tensor<8x4xf32> {
  %y = nn.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
