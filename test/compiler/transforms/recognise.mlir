// RUN: danaus-opt %s --nn-recognise | FileCheck %s

// CHECK-LABEL: @low_rank
// CHECK: nn.low_rank_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} : tensor<16xf32> : tensor<8x32xf32>, tensor<4x32xf32>, tensor<16x4xf32> -> tensor<8x16xf32>
// CHECK-NOT: nn.matmul
func.func @low_rank(%x: tensor<8x32xf32>, %v: tensor<4x32xf32> {nn.role = "parameter"},
                    %u: tensor<16x4xf32> {nn.role = "parameter"}, %b: tensor<16xf32> {nn.role = "parameter"}) -> tensor<8x16xf32> {
  %vt = nn.transpose %v [1, 0] : tensor<4x32xf32> -> tensor<32x4xf32>
  %h = nn.matmul %x, %vt : tensor<8x32xf32>, tensor<32x4xf32> -> tensor<8x4xf32>
  %ut = nn.transpose %u [1, 0] : tensor<16x4xf32> -> tensor<4x16xf32>
  %y = nn.matmul %h, %ut : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>
  %z = nn.add %y, %b : tensor<8x16xf32>, tensor<16xf32>
  return %z : tensor<8x16xf32>
}

// A weight written (in, out) is transposed first.
// CHECK-LABEL: @linear_of_in_out
// CHECK: %[[W:.*]] = nn.transpose
// CHECK: nn.linear %{{.*}}, %[[W]]
func.func @linear_of_in_out(%x: tensor<8x32xf32>, %w: tensor<32x5xf32> {nn.role = "parameter"}) -> tensor<8x5xf32> {
  %y = nn.matmul %x, %w : tensor<8x32xf32>, tensor<32x5xf32> -> tensor<8x5xf32>
  return %y : tensor<8x5xf32>
}
