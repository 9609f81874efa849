// RUN: danaus-opt %s --kernel-form-chains "--kernel-stream-results=far-bytes=256" | FileCheck %s
// RUN: danaus-opt %s --kernel-form-chains --kernel-stream-results | FileCheck %s --check-prefix=NEAR
#rc = affine_map<(r, c) -> (r, c)>
#r = affine_map<(r, c) -> (r)>
#turned = affine_map<(i, j) -> (j, i)>

// Of the first chain's results, the first is read again after 256 bytes of others' results; the second by
// the chain itself; the third at once; the fourth has one number a row; the fifth leaves the function.
// By 32 MiB nothing here is far.
// CHECK-LABEL: @far
// CHECK: kernel.chain streamed [0] {{.*}}: tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>, tensor<4x8xf32>
// NEAR-LABEL: @far
// NEAR-NOT: streamed
func.func @far(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x8xf32>) {
  %kept, %next = kernel.row %x sizes [4, 8] maps [#rc, #rc, #rc] : (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  ^bb0(%v: f32):
    %a = arith.addf %v, %v : f32
    kernel.yield %v, %a : f32, f32
  }
  %soon, %most, %result = kernel.row %next sizes [4, 8] maps [#rc, #rc, #r, #rc] : (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4x8xf32>) {
  ^bb0(%v: f32):
    %m = kernel.row_reduce max %v : f32
    kernel.yield %v, %m, %v : f32, f32, f32
  }
  %t = kernel.copy %soon map #turned : tensor<4x8xf32> -> tensor<8x4xf32>
  %u = kernel.copy %t map #turned : tensor<8x4xf32> -> tensor<4x8xf32>
  %view = nn.reshape %u : tensor<4x8xf32> -> tensor<8x4xf32>
  %last = kernel.copy %view map #turned : tensor<8x4xf32> -> tensor<4x8xf32>
  %sum = kernel.row %last, %kept, %next, %most sizes [4, 8] maps [#rc, #rc, #rc, #r, #rc] : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32, %d: f32):
    %s = arith.addf %a, %b : f32
    %p = arith.addf %c, %d : f32
    %q = arith.addf %s, %p : f32
    kernel.yield %q : f32
  }
  return %result, %t, %sum : tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x8xf32>
}

// Gradients of weights put their operands in order themselves: the first is read again after 256 bytes of others'
// results, the second at once; what has no stretches is no such kernel.
// CHECK-LABEL: @gradients
// CHECK: kernel.contract %arg1, %arg1 {{.*}} tile [8, 3, 8] :
// CHECK: kernel.contract %arg0, %arg1 {{.*}} tile [8, 3, 8, 1, 48] streamed :
// CHECK: kernel.contract %arg0, %arg0 {{.*}} tile [8, 3, 8, 1, 48] :
// NEAR-LABEL: @gradients
// NEAR-NOT: streamed
#lhs = affine_map<(m, n, k) -> (k, m)>
#rhs = affine_map<(m, n, k) -> (k, n)>
#product = affine_map<(m, n, k) -> (m, n)>
func.func @gradients(%x: tensor<512x8xf32>, %y: tensor<512x8xf32>) -> tensor<8x8xf32> {
  %plain = kernel.contract %y, %y sizes [8, 8, 512] maps [#lhs, #rhs, #product] tile [8, 3, 8] : (tensor<512x8xf32>, tensor<512x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %far = kernel.contract %x, %y sizes [8, 8, 512] maps [#lhs, #rhs, #product] tile [8, 3, 8, 1, 48] : (tensor<512x8xf32>, tensor<512x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %near = kernel.contract %x, %x sizes [8, 8, 512] maps [#lhs, #rhs, #product] tile [8, 3, 8, 1, 48] : (tensor<512x8xf32>, tensor<512x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %a = kernel.copy %near map #rc : tensor<8x8xf32> -> tensor<8x8xf32>
  %b = kernel.copy %a map #turned : tensor<8x8xf32> -> tensor<8x8xf32>
  %c = kernel.copy %far map #rc : tensor<8x8xf32> -> tensor<8x8xf32>
  %d = kernel.copy %plain map #rc : tensor<8x8xf32> -> tensor<8x8xf32>
  %sum = kernel.row %b, %c, %d sizes [8, 8] maps [#rc, #rc, #rc, #rc] : (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%p: f32, %q: f32, %r: f32):
    %s = arith.addf %p, %q : f32
    %t = arith.addf %s, %r : f32
    kernel.yield %t : f32
  }
  return %sum : tensor<8x8xf32>
}
