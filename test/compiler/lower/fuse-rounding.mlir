// RUN: danaus-opt %s --nn-form-kernels --kernel-fuse-epilogues --kernel-fuse-rounding | FileCheck %s
// RUN: danaus-opt %s --nn-form-kernels=store-bf16 --kernel-fuse-epilogues --kernel-fuse-rounding | FileCheck %s --check-prefix=STORED

// What makes a value rounds it: the unrounded one stays only where it is read, and weights are rounded by a copy. Stored
// as bfloat16 it takes half the memory.
// CHECK-LABEL: @rounded
// CHECK: kernel.copy %arg2 rounds bf16 map {{.*}} tensor<8x8xf32> -> tensor<8x8xf32>
// CHECK: kernel.row %arg0 {{.*}} -> tensor<4x8xf32> {
// CHECK: arith.bitcast
// CHECK: kernel.row %arg1 {{.*}} -> (tensor<4x8xf32>, tensor<4x8xf32>) {
// CHECK-NOT: kernel.row
// STORED-LABEL: @rounded
// STORED: kernel.copy %arg2 rounds bf16 map {{.*}} tensor<8x8xf32> -> tensor<8x8xbf16>
// STORED: kernel.row %arg0 {{.*}} -> tensor<4x8xbf16> {
// STORED: arith.truncf
// STORED: kernel.row %arg1 {{.*}} -> (tensor<4x8xf32>, tensor<4x8xbf16>) {
func.func @rounded(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>, %w: tensor<8x8xf32> {nn.role = "parameter"}) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %v = nn.round %w to bf16 : tensor<8x8xf32>
  %a = nn.gelu %x : tensor<4x8xf32>
  %ar = nn.round %a to bf16 : tensor<4x8xf32>
  %b = nn.gelu %z : tensor<4x8xf32>
  %br = nn.round %b to bf16 : tensor<4x8xf32>
  %y = nn.contract %ar, %v sizes [4, 8, 8] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %u = nn.contract %br, %v sizes [4, 8, 8] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %y, %u, %b : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

// Rounded values that element-wise code and sums read are widened there.
// STORED-LABEL: @read_again
// STORED: kernel.row %arg0 {{.*}} -> (tensor<4x8xbf16>, tensor<4x8xf32>) {
// STORED: kernel.row %{{.*}}#0, %arg1 {{.*}} : (tensor<4x8xbf16>, tensor<4x8xf32>) -> tensor<4x8xbf16> {
// STORED-NEXT: ^bb0(%[[X:.*]]: bf16, %[[G:.*]]: f32):
// STORED-NEXT: arith.extf %[[X]] : bf16 to f32
// STORED: arith.truncf
// STORED: kernel.reduce %{{.*}} sizes [1, 4, 8] {{.*}} : (tensor<4x8xbf16>) -> tensor<8xf32> {
// STORED-NEXT: ^bb0(%[[D:.*]]: bf16):
// STORED-NEXT: %[[W:.*]] = arith.extf %[[D]] : bf16 to f32
// STORED-NEXT: kernel.yield %[[W]] : f32
// CHECK-LABEL: @read_again
// CHECK-NOT: bf16
func.func @read_again(%x: tensor<4x8xf32>, %g: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
  %y = nn.gelu %x : tensor<4x8xf32>
  %r = nn.round %y to bf16 : tensor<4x8xf32>
  %z = nn.gelu %y : tensor<4x8xf32>
  %d = nn.gelu_backward %r, %g : tensor<4x8xf32>
  %dr = nn.round %d to bf16 : tensor<4x8xf32>
  %b = nn.sum_leading %dr : tensor<4x8xf32> -> tensor<8xf32>
  return %z, %b : tensor<4x8xf32>, tensor<8xf32>
}
