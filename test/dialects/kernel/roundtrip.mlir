// RUN: danaus-opt %s | danaus-opt | FileCheck %s
#rc = affine_map<(r, c) -> (r, c)>
#r = affine_map<(r, c) -> (r)>
#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: @all
func.func @all(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>, %c: tensor<16xf32>, %p: tensor<16xf32>) -> (tensor<4xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<16xf32>, tensor<16xf32>) {
  // CHECK: kernel.chain rows 4 streamed [0]
  %loss = kernel.chain rows 4 streamed [0] : tensor<4xf32> {
    // CHECK: kernel.contract %{{.*}}, %{{.*}} sizes [4, 3, 8] maps [#{{.*}}] tile [4, 1, 4]
    %y = kernel.contract %x, %w sizes [4, 3, 8] maps [#mk, #nk, #mn] tile [4, 1, 4] : (tensor<4x8xf32>, tensor<3x8xf32>) -> tensor<4x3xf32> {
    ^bb0(%sum: f32):
      kernel.yield %sum : f32
    }
    // CHECK: kernel.row %{{.*}} sizes [4, 3] maps [#{{.*}}, #{{.*}}] rows 4
    %l = kernel.row %y sizes [4, 3] maps [#rc, #r] rows 4 : (tensor<4x3xf32>) -> tensor<4xf32> {
    ^bb0(%v: f32):
      // CHECK: kernel.row_index : i32
      %row = kernel.row_index : i32
      // CHECK: kernel.column : i32
      %col = kernel.column : i32
      // CHECK: kernel.row_reduce max %{{.*}} : f32
      %m = kernel.row_reduce max %v : f32
      kernel.yield %m : f32
    }
    kernel.yield %l : tensor<4xf32>
  }
  // CHECK: kernel.copy
  %t = kernel.copy %x map affine_map<(i, j) -> (j, i)> : tensor<4x8xf32> -> tensor<8x4xf32>
  // CHECK: kernel.copy %{{.*}} rounds bf16 map
  %half = kernel.copy %x rounds bf16 map affine_map<(i, j) -> (i, j)> : tensor<4x8xf32> -> tensor<4x8xbf16>
  // CHECK: kernel.pack pairs %{{.*}} sizes [3, 8] group 1 map #{{.*}} : tensor<3x8xf32> -> tensor<1x1x16x16x2xbf16>
  %pairs = kernel.pack pairs %w sizes [3, 8] group 1 map affine_map<(c, k) -> (c, k)> : tensor<3x8xf32> -> tensor<1x1x16x16x2xbf16>
  // CHECK: kernel.pack pairs %{{.*}} sizes [3, 8] group 1 terms 3 map #{{.*}} : tensor<3x8xf32> -> tensor<1x1x1x3x16x16x2xbf16>
  %terms = kernel.pack pairs %w sizes [3, 8] group 1 terms 3 map affine_map<(c, k) -> (c, k)> : tensor<3x8xf32> -> tensor<1x1x1x3x16x16x2xbf16>
  // CHECK: kernel.reduce %{{.*}} sizes [1, 4, 8] maps
  %s = kernel.reduce %x sizes [1, 4, 8] maps [affine_map<(b, r, c) -> (r, c)>, affine_map<(b, r, c) -> (c)>] : (tensor<4x8xf32>) -> tensor<8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: kernel.square_norm
  %n = kernel.square_norm %p : tensor<16xf32> -> tensor<64xf32>
  // CHECK: kernel.metrics %{{.*}}, %{{.*}}, %{{.*}} norm %{{.*}}
  %metrics = kernel.metrics %loss, %loss, %c norm %n : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>, tensor<64xf32>) -> tensor<16xf32>
  // CHECK: kernel.update parameters(%{{.*}}) gradients(%{{.*}}) states() %{{.*}} [0], %{{.*}} [0]
  %u = kernel.update parameters(%p) gradients(%p) states() %c [0], %metrics [0] : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32, %g: f32, %lr: f32, %l: f32):
    %d = arith.subf %v, %g : f32
    kernel.yield %d : f32
  }
  return %loss, %t, %s, %metrics, %u : tensor<4xf32>, tensor<8x4xf32>, tensor<8xf32>, tensor<16xf32>, tensor<16xf32>
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<2x5x6xf32>, %l: tensor<2x3x5xf32>) {
  // CHECK: kernel.attention %arg0, %arg0, %arg0 heads 3 tile [2, 4]
  %o, %s = kernel.attention %q, %q, %q heads 3 tile [2, 4]
      : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>) -> (tensor<2x5x6xf32>, tensor<2x3x5xf32>)
  // CHECK: kernel.attention_backward %arg0, %arg0, %arg0, %{{.*}}, %arg1, %arg0 heads 3 :
  %d:3 = kernel.attention_backward %q, %q, %q, %o, %l, %q heads 3
      : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x3x5xf32>, tensor<2x5x6xf32>)
      -> (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>)
  // CHECK: kernel.attention %arg0, %arg0, %arg0 heads 3 tile [5, 32] products bf16 matrix_unit :
  %t, %u = kernel.attention %q, %q, %q heads 3 tile [5, 32] products bf16 matrix_unit
      : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>) -> (tensor<2x5x6xf32>, tensor<2x3x5xf32>)
  return
}
