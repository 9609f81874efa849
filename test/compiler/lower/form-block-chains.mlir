// RUN: danaus-opt %s --nn-form-kernels --kernel-form-block-chains --kernel-choose-blocks | FileCheck %s
// RUN: danaus-opt %s --nn-form-kernels "--kernel-form-block-chains=shared-bytes=24000" "--kernel-choose-blocks=shared-bytes=24000" | FileCheck %s --check-prefix=SMALL
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// The factors of a low-rank linear are one launch of blocks of rows; the gradient of a factor sums over
// rows and is another.
// CHECK-LABEL: @low_rank
// CHECK: %[[C:.*]]:2 = kernel.chain rows [[ROWS:[0-9]+]]
// CHECK: kernel.contract {{.*}} tile {{\[}}[[ROWS]], {{[0-9]+}}]
// CHECK: kernel.contract {{.*}} tile {{\[}}[[ROWS]], {{[0-9]+}}]
// CHECK: kernel.yield
// CHECK: kernel.contract %[[C]]#{{[01]}}, %[[C]]#{{[01]}} sizes [128, 16, 512]
func.func @low_rank(%x: tensor<512x128xf32>, %v: tensor<16x128xf32>, %u: tensor<128x16xf32>) -> (tensor<512x128xf32>, tensor<128x16xf32>) {
  %h = nn.contract %x, %v sizes [512, 16, 128] maps [#x, #w, #y] : tensor<512x128xf32>, tensor<16x128xf32> -> tensor<512x16xf32>
  %y = nn.contract %h, %u sizes [512, 128, 16] maps [#x, #w, #y] : tensor<512x16xf32>, tensor<128x16xf32> -> tensor<512x128xf32>
  %g = nn.contract %y, %h sizes [128, 16, 512] maps [affine_map<(o, r, t) -> (t, o)>, affine_map<(o, r, t) -> (t, r)>, affine_map<(o, r, t) -> (o, r)>] : tensor<512x128xf32>, tensor<512x16xf32> -> tensor<128x16xf32>
  return %y, %g : tensor<512x128xf32>, tensor<128x16xf32>
}

// What lies between the two does not fit the shared memory of a block.
// CHECK-LABEL: @wide
// SMALL-LABEL: @wide
// SMALL-NOT: kernel.chain
// SMALL: return
func.func @wide(%x: tensor<512x64xf32>, %v: tensor<4096x64xf32>, %u: tensor<64x4096xf32>) -> tensor<512x64xf32> {
  %h = nn.contract %x, %v sizes [512, 4096, 64] maps [#x, #w, #y] : tensor<512x64xf32>, tensor<4096x64xf32> -> tensor<512x4096xf32>
  %y = nn.contract %h, %u sizes [512, 64, 4096] maps [#x, #w, #y] : tensor<512x4096xf32>, tensor<64x4096xf32> -> tensor<512x64xf32>
  return %y : tensor<512x64xf32>
}
