// RUN: danaus-opt %s --nn-form-kernels | FileCheck %s
// Normalisation, means, dropout and attention: each one kernel.

// CHECK-LABEL: @layer_norm
// CHECK: %[[Y:.*]]:3 = kernel.row %arg0, %arg1, %arg2 sizes [4, 8]
// CHECK-COUNT-2: kernel.row_reduce add
// CHECK: return %[[Y]]#0, %[[Y]]#1, %[[Y]]#2
func.func @layer_norm(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>) {
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 1.0e-6 : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<4xf32>
  return %y, %m, %r : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
}

// Both gradients in one pass over the rows.
// CHECK-LABEL: @layer_norm_weight_backward
// CHECK: %[[G:.*]]:2 = kernel.reduce %arg0, %arg1, %arg1, %arg0 sizes [1, 4, 8]
// CHECK: return %[[G]]#0, %[[G]]#1
func.func @layer_norm_weight_backward(%x: tensor<4x8xf32>, %m: tensor<4xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %w, %b = nn.layer_norm_weight_backward %x, %m, %m, %x : tensor<4x8xf32>, tensor<4xf32> -> tensor<8xf32>
  return %w, %b : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @mean_tokens
// CHECK: kernel.reduce %arg0 sizes [2, 5, 6]
func.func @mean_tokens(%x: tensor<2x5x6xf32>) -> tensor<2x6xf32> {
  %y = nn.mean_tokens %x : tensor<2x5x6xf32> -> tensor<2x6xf32>
  return %y : tensor<2x6xf32>
}

// The elements of a sample share a draw: no column takes part.
// CHECK-LABEL: @drop_path
// CHECK: kernel.row %{{.*}}, %arg1, %arg1, %arg1, %arg1 sizes [10, 6]
// CHECK-NOT: kernel.column
// CHECK: kernel.row_index
// CHECK: return
func.func @drop_path(%x: tensor<2x5x6xf32>, %c: tensor<16xf32>) -> tensor<2x5x6xf32> {
  %y = nn.dropout %x, %c rate 0.1 stream 3 group 30 : tensor<2x5x6xf32>, tensor<16xf32>
  return %y : tensor<2x5x6xf32>
}

// CHECK-LABEL: @attention
// CHECK: kernel.attention %arg0, %arg0, %arg0 heads 3
func.func @attention(%q: tensor<2x5x6xf32>) -> tensor<2x5x6xf32> {
  %o, %l = nn.attention %q, %q, %q heads 3 : tensor<2x5x6xf32> -> tensor<2x3x5xf32>
  return %o : tensor<2x5x6xf32>
}

// A pad from an offset reads from before it.
// CHECK-LABEL: @pad
// CHECK: kernel.copy %arg0
func.func @pad(%x: tensor<2x5x6xf32>) -> tensor<2x6x6xf32> {
  %y = nn.pad %x from [0, 1, 0] : tensor<2x5x6xf32> -> tensor<2x6x6xf32>
  return %y : tensor<2x6x6xf32>
}
