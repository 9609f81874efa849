// RUN: danaus-opt %s --nn-recognise | FileCheck %s

// Rectangular and padded: 22 inputs in 4 blocks of 6, 30 outputs in 4 blocks of 8.
// CHECK-LABEL: @padded
// CHECK: nn.monarch_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} : tensor<30xf32> : tensor<5x22xf32>, tensor<4x6x6xf32>, tensor<4x8x6xf32> -> tensor<5x30xf32>
// CHECK-NOT: nn.batch_matmul
func.func @padded(%x: tensor<5x22xf32>, %w1: tensor<4x6x6xf32> {nn.role = "parameter"},
                  %w2: tensor<4x8x6xf32> {nn.role = "parameter"}, %b: tensor<30xf32> {nn.role = "parameter"}) -> tensor<5x30xf32> {
  %p = nn.pad %x : tensor<5x22xf32> -> tensor<5x24xf32>
  %a = nn.reshape %p : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %w1t = nn.transpose %w1 [0, 2, 1] : tensor<4x6x6xf32> -> tensor<4x6x6xf32>
  %h = nn.batch_matmul %a1, %w1t : tensor<4x5x6xf32>, tensor<4x6x6xf32> -> tensor<4x5x6xf32>
  %h1 = nn.transpose %h [1, 0, 2] : tensor<4x5x6xf32> -> tensor<5x4x6xf32>
  %h2 = nn.reshape %h1 : tensor<5x4x6xf32> -> tensor<5x6x4xf32>
  %h3 = nn.transpose %h2 [2, 0, 1] : tensor<5x6x4xf32> -> tensor<4x5x6xf32>
  %w2t = nn.transpose %w2 [0, 2, 1] : tensor<4x8x6xf32> -> tensor<4x6x8xf32>
  %y = nn.batch_matmul %h3, %w2t : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 2, 0] : tensor<4x5x8xf32> -> tensor<5x8x4xf32>
  %y2 = nn.reshape %y1 : tensor<5x8x4xf32> -> tensor<5x32xf32>
  %y3 = nn.slice %y2 : tensor<5x32xf32> -> tensor<5x30xf32>
  %z = nn.add %y3, %b : tensor<5x30xf32>, tensor<30xf32>
  return %z : tensor<5x30xf32>
}
