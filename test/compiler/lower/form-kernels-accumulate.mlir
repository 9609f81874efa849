// RUN: danaus-opt %s --nn-form-kernels | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// A sum over micro-batches is the epilogue of the contraction that makes the term; of another term a pass.
// CHECK-LABEL: func.func @f
// CHECK: kernel.contract %{{.*}}, %{{.*}} extras(%arg2, %arg4) {{.*}} : (tensor<4x3xf32>, tensor<4x8xf32>, tensor<3x8xf32>, tensor<16xf32>) -> tensor<3x8xf32>
// CHECK-NEXT: ^bb0(%[[TERM:.*]]: f32, %[[SUM:.*]]: f32, %[[FIRST:.*]]: f32):
// CHECK: %[[ADDED:.*]] = arith.addf %[[SUM]], %[[TERM]]
// CHECK: arith.select %{{.*}}, %[[TERM]], %[[ADDED]]
// CHECK: kernel.row %{{.*}}, %{{.*}}, %arg4 sizes [1, 3]
func.func @f(%x: tensor<4x8xf32>, %d: tensor<4x3xf32>, %s: tensor<3x8xf32>, %b: tensor<3xf32>, %c: tensor<16xf32>) -> (tensor<3x8xf32>, tensor<3xf32>) {
  %g = nn.contract %d, %x sizes [4, 3, 8] maps [#y, #x, #w] : tensor<4x3xf32>, tensor<4x8xf32> -> tensor<3x8xf32>
  %0 = nn.accumulate %s, %g, %c : tensor<3x8xf32>, tensor<16xf32>
  %h = nn.sum_leading %d : tensor<4x3xf32> -> tensor<3xf32>
  %1 = nn.accumulate %b, %h, %c : tensor<3xf32>, tensor<16xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3xf32>
}
