// RUN: danaus-opt %s --nn-form-kernels --kernel-choose-tiles --kernel-pack-operands | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// The forward product reads the weight across its rows: it is packed, padded to whole panels.
// CHECK: affine_map<(d0, d1, d2) -> (d0 * 64 + d2, d1)>
// CHECK-LABEL: @forward
// CHECK: %[[P:.*]] = kernel.copy %arg1 map {{.*}} tensor<100x64xf32> -> tensor<2x64x64xf32>
// CHECK: kernel.contract %arg0, %[[P]] {{.*}} panel 64
func.func @forward(%x: tensor<32x64xf32>, %w: tensor<100x64xf32>) -> tensor<32x100xf32> {
  %y = nn.contract %x, %w sizes [32, 100, 64] maps [#x, #w, #y] : tensor<32x64xf32>, tensor<100x64xf32> -> tensor<32x100xf32>
  return %y : tensor<32x100xf32>
}
// The gradient of the input reads it along them.
// CHECK-LABEL: @backward
// CHECK-NOT: kernel.copy
func.func @backward(%d: tensor<32x100xf32>, %w: tensor<100x64xf32>) -> tensor<32x64xf32> {
  %g = nn.contract %d, %w sizes [32, 100, 64] maps [#y, #w, #x] : tensor<32x100xf32>, tensor<100x64xf32> -> tensor<32x64xf32>
  return %g : tensor<32x64xf32>
}
// The gradient of a weight sums over rows that lie far apart: both sides are packed, the left one in the rows of
// register tiles.
// CHECK-LABEL: @weight_gradient
// CHECK: %[[R:.*]] = kernel.copy %arg1 map {{.*}} tensor<400x96xf32> -> tensor<2x400x48xf32>
// CHECK: %[[L:.*]] = kernel.copy %arg0 map {{.*}} tensor<400x96xf32> -> tensor<12x400x8xf32>
// CHECK: kernel.contract %[[L]], %[[R]] {{.*}} panel 48 lhs_panel 8
func.func @weight_gradient(%d: tensor<400x96xf32>, %x: tensor<400x96xf32>) -> tensor<96x96xf32> {
  %g = nn.contract %d, %x sizes [400, 96, 96] maps [affine_map<(t, o, i) -> (t, o)>, affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>]
      : tensor<400x96xf32>, tensor<400x96xf32> -> tensor<96x96xf32>
  return %g : tensor<96x96xf32>
}
// With more rows the kernel itself packs the right side, stretch by stretch: blocks of 24 rows and a slab, 32 rows of the sum at a time.
// CHECK-LABEL: @long_weight_gradient
// CHECK-NOT: kernel.copy
// CHECK: kernel.contract %arg0, %arg1 sizes [96, 96, 512] {{.*}} tile [8, 3, 24, 1, 32] {operations = ["contract"]} :
func.func @long_weight_gradient(%d: tensor<512x96xf32>, %x: tensor<512x96xf32>) -> tensor<96x96xf32> {
  %g = nn.contract %d, %x sizes [512, 96, 96] maps [affine_map<(t, o, i) -> (t, o)>, affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>]
      : tensor<512x96xf32>, tensor<512x96xf32> -> tensor<96x96xf32>
  return %g : tensor<96x96xf32>
}
