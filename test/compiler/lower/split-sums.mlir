// RUN: danaus-opt %s --nn-form-kernels --kernel-split-sums | FileCheck %s
#dy = affine_map<(o, i, t) -> (t, o)>
#x = affine_map<(o, i, t) -> (t, i)>
#w = affine_map<(o, i, t) -> (o, i)>

// A gradient of few elements over many rows: parts, and a sum of the parts.
// CHECK-LABEL: @long
// CHECK: %[[P:.*]] = kernel.contract {{.*}} sizes {{\[}}[[PARTS:[0-9]+]], 64, 64, {{[0-9]+}}] {{.*}} -> tensor<[[PARTS]]x64x64xf32>
// CHECK: %[[F:.*]] = nn.reshape %[[P]] : tensor<[[PARTS]]x64x64xf32> -> tensor<[[PARTS]]x4096xf32>
// CHECK: %[[S:.*]] = kernel.reduce %[[F]] sizes [1, [[PARTS]], 4096]
// CHECK: %[[R:.*]] = nn.reshape %[[S]] : tensor<4096xf32> -> tensor<64x64xf32>
// CHECK: return %[[R]]
func.func @long(%dy: tensor<16384x64xf32>, %x: tensor<16384x64xf32>) -> tensor<64x64xf32> {
  %g = nn.contract %dy, %x sizes [64, 64, 16384] maps [#dy, #x, #w] : tensor<16384x64xf32>, tensor<16384x64xf32> -> tensor<64x64xf32>
  return %g : tensor<64x64xf32>
}

// Short ones stay; so do those whose length no number divides.
// CHECK-LABEL: @short
// CHECK: sizes [64, 64, 32]
// CHECK-NOT: kernel.reduce
// CHECK-LABEL: @prime
// CHECK: sizes [64, 64, 16381]
// CHECK-NOT: kernel.reduce
func.func @short(%dy: tensor<32x64xf32>, %x: tensor<32x64xf32>) -> tensor<64x64xf32> {
  %g = nn.contract %dy, %x sizes [64, 64, 32] maps [#dy, #x, #w] : tensor<32x64xf32>, tensor<32x64xf32> -> tensor<64x64xf32>
  return %g : tensor<64x64xf32>
}
func.func @prime(%dy: tensor<16381x64xf32>, %x: tensor<16381x64xf32>) -> tensor<64x64xf32> {
  %g = nn.contract %dy, %x sizes [64, 64, 16381] maps [#dy, #x, #w] : tensor<16381x64xf32>, tensor<16381x64xf32> -> tensor<64x64xf32>
  return %g : tensor<64x64xf32>
}
