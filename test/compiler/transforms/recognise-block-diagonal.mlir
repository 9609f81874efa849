// RUN: danaus-opt %s --nn-recognise --split-input-file --verify-diagnostics | FileCheck %s

// Rectangular and padded on both sides: 22 inputs in 4 blocks of 6, 30 outputs in 4 blocks of 8.
// CHECK-LABEL: @padded
// CHECK: nn.block_diagonal_linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<30xf32> : tensor<5x22xf32>, tensor<4x8x6xf32> -> tensor<5x30xf32>
// CHECK-NOT: nn.batch_matmul
func.func @padded(%x: tensor<5x22xf32>, %w: tensor<4x8x6xf32> {nn.role = "parameter"},
                  %b: tensor<30xf32> {nn.role = "parameter"}) -> tensor<5x30xf32> {
  %p = nn.pad %x : tensor<5x22xf32> -> tensor<5x24xf32>
  %a = nn.reshape %p : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %wt = nn.transpose %w [0, 2, 1] : tensor<4x8x6xf32> -> tensor<4x6x8xf32>
  %y = nn.batch_matmul %a1, %wt : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 0, 2] : tensor<4x5x8xf32> -> tensor<5x4x8xf32>
  %y2 = nn.reshape %y1 : tensor<5x4x8xf32> -> tensor<5x32xf32>
  %y3 = nn.slice %y2 : tensor<5x32xf32> -> tensor<5x30xf32>
  %z = nn.add %y3, %b : tensor<5x30xf32>, tensor<30xf32>
  return %z : tensor<5x30xf32>
}

// -----

// Outputs that alternate between the blocks are another function.
// CHECK-LABEL: @interleaved
// CHECK: nn.batch_matmul
func.func @interleaved(%x: tensor<5x24xf32>, %w: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<5x32xf32> {
  %a = nn.reshape %x : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  // expected-remark @+1 {{not a block-diagonal linear: the result is not (rows, out) with element k*8+o from block k, position o}}
  %y = nn.batch_matmul %a1, %w : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 2, 0] : tensor<4x5x8xf32> -> tensor<5x8x4xf32>
  %y2 = nn.reshape %y1 : tensor<5x8x4xf32> -> tensor<5x32xf32>
  return %y2 : tensor<5x32xf32>
}

// -----

// CHECK-LABEL: @strided
// CHECK: nn.batch_matmul
func.func @strided(%x: tensor<5x24xf32>, %w: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<5x32xf32> {
  %a = nn.reshape %x : tensor<5x24xf32> -> tensor<5x6x4xf32>
  %a1 = nn.transpose %a [2, 0, 1] : tensor<5x6x4xf32> -> tensor<4x5x6xf32>
  // expected-remark @+1 {{not a block-diagonal linear: the input is not (rows, in) in 4 contiguous blocks}}
  %y = nn.batch_matmul %a1, %w : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 0, 2] : tensor<4x5x8xf32> -> tensor<5x4x8xf32>
  %y2 = nn.reshape %y1 : tensor<5x4x8xf32> -> tensor<5x32xf32>
  return %y2 : tensor<5x32xf32>
}

// -----

// Zeros in front of the inputs are no part of the linear, as zeros behind them are; nor are outputs left out in front.
// CHECK-LABEL: @padded_in_front
// CHECK: %[[PADDED:.*]] = nn.pad {{.*}} from [0, 2]
// CHECK: nn.block_diagonal_linear %[[PADDED]], {{.*}} : tensor<5x24xf32>
func.func @padded_in_front(%x: tensor<5x22xf32>, %w: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<5x32xf32> {
  %p = nn.pad %x from [0, 2] : tensor<5x22xf32> -> tensor<5x24xf32>
  %a = nn.reshape %p : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %y = nn.batch_matmul %a1, %w : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 0, 2] : tensor<4x5x8xf32> -> tensor<5x4x8xf32>
  %y2 = nn.reshape %y1 : tensor<5x4x8xf32> -> tensor<5x32xf32>
  return %y2 : tensor<5x32xf32>
}
// CHECK-LABEL: @later_outputs
// CHECK: nn.block_diagonal_linear {{.*}} -> tensor<5x32xf32>
// CHECK: nn.slice {{.*}} from [0, 2]
func.func @later_outputs(%x: tensor<5x24xf32>, %w: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<5x30xf32> {
  %a = nn.reshape %x : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %y = nn.batch_matmul %a1, %w : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 0, 2] : tensor<4x5x8xf32> -> tensor<5x4x8xf32>
  %y2 = nn.reshape %y1 : tensor<5x4x8xf32> -> tensor<5x32xf32>
  %y3 = nn.slice %y2 from [0, 2] : tensor<5x32xf32> -> tensor<5x30xf32>
  return %y3 : tensor<5x30xf32>
}

// -----

// Data by data is no linear, and nothing is said of it.
// CHECK-LABEL: @data
// CHECK: nn.batch_matmul
func.func @data(%x: tensor<4x5x6xf32>, %w: tensor<4x6x8xf32>) -> tensor<4x5x8xf32> {
  %y = nn.batch_matmul %x, %w : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  return %y : tensor<4x5x8xf32>
}
