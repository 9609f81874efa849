// RUN: danaus-opt %s --kernel-choose-tiles=matrix-unit --kernel-pack-operands | FileCheck %s
#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

// A bfloat16 product goes to the matrix unit; the weight is packed in pairs of K straight from what was rounded.
// CHECK-LABEL: @forward
// CHECK: %[[P:.*]] = kernel.pack pairs %arg1 sizes [100, 70] group 1 map {{.*}} : tensor<100x70xf32> -> tensor<7x1x48x16x2xbf16>
// CHECK: kernel.contract %arg0, %[[P]] {{.*}} tile [32, 2, 32] matrix_unit
func.func @forward(%x: tensor<40x70xbf16>, %w: tensor<100x70xf32>) -> tensor<40x100xf32> {
  %r = kernel.copy %w rounds bf16 map affine_map<(a, b) -> (a, b)> : tensor<100x70xf32> -> tensor<100x70xbf16>
  %y = kernel.contract %x, %r sizes [40, 100, 70] maps [#mk, #nk, #mn] : (tensor<40x70xbf16>, tensor<100x70xbf16>) -> tensor<40x100xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %y : tensor<40x100xf32>
}
// The gradient of a weight: K is contiguous in neither side, and the calls put both in order.
// CHECK-LABEL: @weight_gradient
// CHECK-NOT: kernel.pack
// CHECK: kernel.contract %arg0, %arg1 {{.*}} tile [32, 2, 32, 2, 60] matrix_unit
func.func @weight_gradient(%d: tensor<300x100xbf16>, %x: tensor<300x70xbf16>) -> tensor<100x70xf32> {
  %g = kernel.contract %d, %x sizes [100, 70, 300] maps [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, #mn] : (tensor<300x100xbf16>, tensor<300x70xbf16>) -> tensor<100x70xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %g : tensor<100x70xf32>
}
// So it is with a group (Monarch's second factor), up to 16 members.
// CHECK-LABEL: @group_gradient
// CHECK-NOT: kernel.pack
// CHECK: kernel.contract %arg0, %arg1 {{.*}} tile [32, 32, 32, 1, 60] matrix_unit
func.func @group_gradient(%d: tensor<300x640xbf16>, %x: tensor<300x320xbf16>) -> tensor<16x40x20xf32> {
  %g = kernel.contract %d, %x sizes [40, 320, 300] maps [affine_map<(m, n, k) -> (k, m * 16 + n mod 16)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (n mod 16, m, n floordiv 16)>] : (tensor<300x640xbf16>, tensor<300x320xbf16>) -> tensor<16x40x20xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %g : tensor<16x40x20xf32>
}
// With few samples packing costs less.
// CHECK-LABEL: @few_samples
// CHECK-DAG: %[[R:.*]] = kernel.pack pairs %arg1 sizes [70, 40]
// CHECK-DAG: %[[L:.*]] = kernel.pack rows %arg0 sizes [100, 40] group 1 map {{.*}} -> tensor<112x64xbf16>
// CHECK: kernel.contract %[[L]], %[[R]] {{.*}} matrix_unit
func.func @few_samples(%d: tensor<40x100xbf16>, %x: tensor<40x70xbf16>) -> tensor<100x70xf32> {
  %g = kernel.contract %d, %x sizes [100, 70, 40] maps [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, #mn] : (tensor<40x100xbf16>, tensor<40x70xbf16>) -> tensor<100x70xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %g : tensor<100x70xf32>
}
// Monarch's second factor: a panel for each member of the group.
// CHECK-LABEL: @monarch
// CHECK: kernel.pack pairs %arg1 sizes [128, 16] group 4 map {{.*}} -> tensor<2x4x16x16x2xbf16>
// CHECK: kernel.contract {{.*}} matrix_unit
func.func @monarch(%h: tensor<40x64xbf16>, %w: tensor<4x32x16xbf16>) -> tensor<40x128xf32> {
  %y = kernel.contract %h, %w sizes [40, 128, 16] maps [affine_map<(m, n, k) -> (m, k * 4 + n mod 4)>, affine_map<(m, n, k) -> (n mod 4, n floordiv 4, k)>, #mn] : (tensor<40x64xbf16>, tensor<4x32x16xbf16>) -> tensor<40x128xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %y : tensor<40x128xf32>
}
// Float32 goes there in three terms, where six products are faster than fused multiply-adds.
// CHECK-LABEL: @split
// CHECK: %[[P:.*]] = kernel.pack pairs %arg1 sizes [100, 70] group 1 terms 3 map {{.*}} : tensor<100x70xf32> -> tensor<7x1x3x3x16x16x2xbf16>
// CHECK: kernel.contract %arg0, %[[P]] {{.*}} tile [32, 2, 160] matrix_unit
func.func @split(%x: tensor<1576x70xf32>, %v: tensor<100x70xf32>) -> tensor<1576x100xf32> {
  %y = kernel.contract %x, %v sizes [1576, 100, 70] maps [#mk, #nk, #mn] : (tensor<1576x70xf32>, tensor<100x70xf32>) -> tensor<1576x100xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %y : tensor<1576x100xf32>
}
// Its gradients of weights split both operands in the call: nothing is packed before. Monarch's second factor stores
// the results of each member of the group together.
// CHECK-LABEL: @split_gradients
// CHECK-NOT: kernel.pack
// CHECK: kernel.contract %arg0, %arg1 {{.*}} tile [32, 2, 384, 6, 48] matrix_unit
// CHECK: kernel.contract %arg0, %arg1 {{.*}} tile [32, 8, 64, 2, 48] matrix_unit
func.func @split_gradients(%d: tensor<1536x768xf32>, %x: tensor<1536x768xf32>) -> (tensor<768x768xf32>, tensor<4x192x192xf32>) {
  %g = kernel.contract %d, %x sizes [768, 768, 1536] maps [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, #mn] : (tensor<1536x768xf32>, tensor<1536x768xf32>) -> tensor<768x768xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  %h = kernel.contract %d, %x sizes [192, 768, 1536] maps [affine_map<(m, n, k) -> (k, m * 4 + n mod 4)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (n mod 4, m, n floordiv 4)>] : (tensor<1536x768xf32>, tensor<1536x768xf32>) -> tensor<4x192x192xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %g, %h : tensor<768x768xf32>, tensor<4x192x192xf32>
}
// Float32 that would leave most of a tile empty does not go there, nor do blocks that end inside an operand.
// CHECK-LABEL: @others
// CHECK-NOT: matrix_unit
// CHECK: return
func.func @others(%x: tensor<40x20xf32>, %v: tensor<10x20xf32>, %r: tensor<40x50xbf16>, %w: tensor<2x16x32xbf16>) -> (tensor<40x10xf32>, tensor<40x32xf32>) {
  %y = kernel.contract %x, %v sizes [40, 10, 20] maps [#mk, #nk, #mn] : (tensor<40x20xf32>, tensor<10x20xf32>) -> tensor<40x10xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  %z = kernel.contract %r, %w sizes [2, 40, 16, 32] maps [affine_map<(b, m, n, k) -> (m, b * 32 + k)>, affine_map<(b, m, n, k) -> (b, n, k)>, affine_map<(b, m, n, k) -> (m, b * 16 + n)>] : (tensor<40x50xbf16>, tensor<2x16x32xbf16>) -> tensor<40x32xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return %y, %z : tensor<40x10xf32>, tensor<40x32xf32>
}

// Attention that multiplies bfloat16 goes there too, a step of K is 32 keys; in float32 it stays in registers.
// CHECK-LABEL: @attention
// CHECK: kernel.attention %arg0, %arg0, %arg0 heads 2 tile [197, 224] products bf16 matrix_unit
// CHECK: kernel.attention_backward {{.*}} heads 2 tile [197, 224] products bf16 matrix_unit
// CHECK: kernel.attention %arg1, %arg1, %arg1 heads 2 tile [160, 160] products bf16 matrix_unit
// CHECK: kernel.attention %arg0, %arg0, %arg0 heads 2 tile [104, 208] :
func.func @attention(%q: tensor<2x197x192xf32>, %r: tensor<1x290x192xf32>) {
  %o, %l = kernel.attention %q, %q, %q heads 2 products bf16 : (tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x197x192xf32>) -> (tensor<2x197x192xf32>, tensor<2x2x197xf32>)
  %d:3 = kernel.attention_backward %q, %q, %q, %o, %l, %q heads 2 products bf16
      : (tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x2x197xf32>, tensor<2x197x192xf32>)
      -> (tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x197x192xf32>)
  %s, %m = kernel.attention %r, %r, %r heads 2 products bf16 : (tensor<1x290x192xf32>, tensor<1x290x192xf32>, tensor<1x290x192xf32>) -> (tensor<1x290x192xf32>, tensor<1x2x290xf32>)
  %t, %n = kernel.attention %q, %q, %q heads 2 : (tensor<2x197x192xf32>, tensor<2x197x192xf32>, tensor<2x197x192xf32>) -> (tensor<2x197x192xf32>, tensor<2x2x197xf32>)
  return
}
