// RUN: danaus-opt %s --nn-form-kernels --kernel-fuse-epilogues | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// Bias and activation are one epilogue.
// CHECK-LABEL: @bias_relu
// CHECK: kernel.contract %arg0, %arg1 extras(%arg2) sizes [4, 3, 8]
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[BIAS:.*]]: f32):
// CHECK-NEXT: arith.addf %[[SUM]], %[[BIAS]]
// CHECK: arith.select
// CHECK-NOT: kernel.row
// CHECK: return
func.func @bias_relu(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>, %b: tensor<3xf32>) -> tensor<4x3xf32> {
  %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  %z = nn.add %y, %b : tensor<4x3xf32>, tensor<3xf32>
  %r = nn.relu %z : tensor<4x3xf32>
  return %r : tensor<4x3xf32>
}

// What else is used stays a result.
// CHECK-LABEL: @both_results
// CHECK: %[[R:.*]]:2 = kernel.contract
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @both_results(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  %r = nn.gelu %y : tensor<4x3xf32>
  return %y, %r : tensor<4x3xf32>, tensor<4x3xf32>
}
