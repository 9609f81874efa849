// RUN: danaus-opt %s --nn-form-kernels --kernel-choose-blocks | FileCheck %s
// RUN: not danaus-opt %s --nn-form-kernels "--kernel-choose-blocks=shared-bytes=1000" 2>&1 | FileCheck %s --check-prefix=NONE
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// Many rows: the largest tile. Few: small tiles, so that most multiprocessors get a block.
// CHECK-LABEL: @large
// CHECK: kernel.contract {{.*}} tile [128, 128]
// NONE: 'kernel.contract' op fits no block of threads with 1000 bytes of shared memory
func.func @large(%x: tensor<8192x768xf32>, %w: tensor<768x768xf32>) -> tensor<8192x768xf32> {
  %y = nn.contract %x, %w sizes [8192, 768, 768] maps [#x, #w, #y] : tensor<8192x768xf32>, tensor<768x768xf32> -> tensor<8192x768xf32>
  return %y : tensor<8192x768xf32>
}
// CHECK-LABEL: @small
// CHECK: kernel.contract {{.*}} tile [16, 32]
func.func @small(%x: tensor<64x768xf32>, %w: tensor<768x768xf32>) -> tensor<64x768xf32> {
  %y = nn.contract %x, %w sizes [64, 768, 768] maps [#x, #w, #y] : tensor<64x768xf32>, tensor<768x768xf32> -> tensor<64x768xf32>
  return %y : tensor<64x768xf32>
}
