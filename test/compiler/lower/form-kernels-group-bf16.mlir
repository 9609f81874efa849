// RUN: danaus-opt %s --nn-form-kernels=store-bf16 | FileCheck %s --check-prefix=BATCH
// RUN: danaus-opt %s --nn-form-kernels="store-bf16 group-bf16" | FileCheck %s --check-prefix=GROUP

// The gradient of Monarch's second factor in bfloat16: for a CPU's matrix unit, which takes a group apart itself, the
// interleaved batch is one; elsewhere it stays a batch.
// BATCH-DAG: affine_map<(d0, d1, d2, d3) -> (d3, d1 * 4 + d0)>
// BATCH: kernel.contract {{.*}} sizes [4, 8, 6, 300]
// GROUP-DAG: affine_map<(d0, d1, d2) -> (d2, d0 * 4 + d1 mod 4)>
// GROUP-DAG: affine_map<(d0, d1, d2) -> (d1 mod 4, d0, d1 floordiv 4)>
// GROUP: kernel.contract {{.*}} sizes [8, 24, 300]
func.func @gradient(%d: tensor<300x32xf32>, %h: tensor<300x24xf32>) -> tensor<4x8x6xf32> {
  %dr = nn.round %d to bf16 : tensor<300x32xf32>
  %hr = nn.round %h to bf16 : tensor<300x24xf32>
  %g = nn.contract %dr, %hr sizes [4, 300, 8, 6] maps [affine_map<(b, r, o, c) -> (r, o * 4 + b)>, affine_map<(b, r, o, c) -> (r, c * 4 + b)>, affine_map<(b, r, o, c) -> (b, o, c)>] : tensor<300x32xf32>, tensor<300x24xf32> -> tensor<4x8x6xf32>
  return %g : tensor<4x8x6xf32>
}
// Of more than 16 members, or with less than 256 samples, nothing is gained: they stay a batch.
// GROUP: kernel.contract {{.*}} sizes [32, 2, 3, 300]
func.func @many(%d: tensor<300x64xf32>, %h: tensor<300x96xf32>) -> tensor<32x2x3xf32> {
  %dr = nn.round %d to bf16 : tensor<300x64xf32>
  %hr = nn.round %h to bf16 : tensor<300x96xf32>
  %g = nn.contract %dr, %hr sizes [32, 300, 2, 3] maps [affine_map<(b, r, o, c) -> (r, o * 32 + b)>, affine_map<(b, r, o, c) -> (r, c * 32 + b)>, affine_map<(b, r, o, c) -> (b, o, c)>] : tensor<300x64xf32>, tensor<300x96xf32> -> tensor<32x2x3xf32>
  return %g : tensor<32x2x3xf32>
}
// GROUP: kernel.contract {{.*}} sizes [4, 8, 6, 200]
func.func @few(%d: tensor<200x32xf32>, %h: tensor<200x24xf32>) -> tensor<4x8x6xf32> {
  %dr = nn.round %d to bf16 : tensor<200x32xf32>
  %hr = nn.round %h to bf16 : tensor<200x24xf32>
  %g = nn.contract %dr, %hr sizes [4, 200, 8, 6] maps [affine_map<(b, r, o, c) -> (r, o * 4 + b)>, affine_map<(b, r, o, c) -> (r, c * 4 + b)>, affine_map<(b, r, o, c) -> (b, o, c)>] : tensor<200x32xf32>, tensor<200x24xf32> -> tensor<4x8x6xf32>
  return %g : tensor<4x8x6xf32>
}
