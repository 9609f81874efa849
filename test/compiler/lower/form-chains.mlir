// RUN: danaus-opt %s --nn-form-kernels --kernel-form-chains | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// Two products over the same rows are one launch; the sum over rows is another.
// CHECK-LABEL: @low_rank
// CHECK: %[[C:.*]]:2 = kernel.chain
// CHECK: kernel.contract
// CHECK: kernel.contract
// CHECK: kernel.yield
// CHECK: kernel.contract %[[C]]#1
func.func @low_rank(%x: tensor<4x8xf32>, %v: tensor<2x8xf32>, %u: tensor<3x2xf32>) -> (tensor<4x3xf32>, tensor<3x2xf32>) {
  %h = nn.contract %x, %v sizes [4, 2, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<2x8xf32> -> tensor<4x2xf32>
  %y = nn.contract %h, %u sizes [4, 3, 2] maps [#x, #w, #y] : tensor<4x2xf32>, tensor<3x2xf32> -> tensor<4x3xf32>
  %g = nn.contract %y, %h sizes [4, 3, 2] maps [#y, #x, #w] : tensor<4x3xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y, %g : tensor<4x3xf32>, tensor<3x2xf32>
}

// %g depends on the first chain, which reads %f: %f and %g cannot be one launch.
// CHECK-LABEL: @around_a_chain
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>, %[[Z:.*]]: tensor<8x8xf32>,
// CHECK: %[[F:.*]] = kernel.contract %[[Z]]
// CHECK: %[[C:.*]] = kernel.chain
// CHECK: kernel.contract %[[X]]
// CHECK: kernel.contract %{{.*}}, %[[F]]
// CHECK: kernel.yield
// CHECK: %[[R:.*]] = nn.reshape %[[C]]
// CHECK: kernel.contract %[[R]]
// CHECK: return
func.func @around_a_chain(%x: tensor<4x8xf32>, %z: tensor<8x8xf32>, %w: tensor<3x8xf32>, %u: tensor<3x4xf32>) -> tensor<8x3xf32> {
  %k = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  %f = nn.contract %z, %w sizes [8, 3, 8] maps [#x, #w, #y] : tensor<8x8xf32>, tensor<3x8xf32> -> tensor<8x3xf32>
  %p = nn.contract %k, %f sizes [4, 8, 3] maps [#x, #w, #y] : tensor<4x3xf32>, tensor<8x3xf32> -> tensor<4x8xf32>
  %r = nn.reshape %p : tensor<4x8xf32> -> tensor<8x4xf32>
  %g = nn.contract %r, %u sizes [8, 3, 4] maps [#x, #w, #y] : tensor<8x4xf32>, tensor<3x4xf32> -> tensor<8x3xf32>
  return %g : tensor<8x3xf32>
}

// Reshapes there and back are no border: the norm joins the product before it.
// CHECK-LABEL: @norm
// CHECK: kernel.chain
// CHECK: kernel.contract
// CHECK: kernel.row
// CHECK: kernel.yield
func.func @norm(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>, %g: tensor<3xf32>) -> tensor<4x3xf32> {
  %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  %t = nn.reshape %y : tensor<4x3xf32> -> tensor<2x2x3xf32>
  %r = nn.reshape %t : tensor<2x2x3xf32> -> tensor<4x3xf32>
  %n, %m, %s = nn.layer_norm %r, %g, %g epsilon 1.0e-6 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<4xf32>
  return %n : tensor<4x3xf32>
}

// Few rows and many weights: calls of the first product go by columns, and it is no part of the chain. With half of the weights,
// or with more rows, it is.
// CHECK-LABEL: @by_columns
// CHECK: %[[H:.*]] = kernel.contract {{.*}} sizes [16, 1024, 64] {{.*}} by_columns
// CHECK: kernel.chain
// CHECK-NEXT: kernel.contract %[[H]]
// CHECK-NOT: by_columns
// CHECK-LABEL: @few_weights
// CHECK-NEXT: kernel.chain
// CHECK-NOT: by_columns
// CHECK-LABEL: @many_rows
// CHECK-NEXT: kernel.chain
// CHECK-NOT: by_columns
func.func @by_columns(%x: tensor<16x64xf32>, %w: tensor<1024x64xf32>, %u: tensor<8x1024xf32>, %v: tensor<4x8xf32>) -> tensor<16x4xf32> {
  %h = nn.contract %x, %w sizes [16, 1024, 64] maps [#x, #w, #y] : tensor<16x64xf32>, tensor<1024x64xf32> -> tensor<16x1024xf32>
  %y = nn.contract %h, %u sizes [16, 8, 1024] maps [#x, #w, #y] : tensor<16x1024xf32>, tensor<8x1024xf32> -> tensor<16x8xf32>
  %z = nn.contract %y, %v sizes [16, 4, 8] maps [#x, #w, #y] : tensor<16x8xf32>, tensor<4x8xf32> -> tensor<16x4xf32>
  return %z : tensor<16x4xf32>
}
func.func @few_weights(%x: tensor<16x64xf32>, %w: tensor<512x64xf32>, %u: tensor<8x512xf32>) -> tensor<16x8xf32> {
  %h = nn.contract %x, %w sizes [16, 512, 64] maps [#x, #w, #y] : tensor<16x64xf32>, tensor<512x64xf32> -> tensor<16x512xf32>
  %y = nn.contract %h, %u sizes [16, 8, 512] maps [#x, #w, #y] : tensor<16x512xf32>, tensor<8x512xf32> -> tensor<16x8xf32>
  return %y : tensor<16x8xf32>
}
func.func @many_rows(%x: tensor<17x64xf32>, %w: tensor<1024x64xf32>, %u: tensor<8x1024xf32>) -> tensor<17x8xf32> {
  %h = nn.contract %x, %w sizes [17, 1024, 64] maps [#x, #w, #y] : tensor<17x64xf32>, tensor<1024x64xf32> -> tensor<17x1024xf32>
  %y = nn.contract %h, %u sizes [17, 8, 1024] maps [#x, #w, #y] : tensor<17x1024xf32>, tensor<8x1024xf32> -> tensor<17x8xf32>
  return %y : tensor<17x8xf32>
}
