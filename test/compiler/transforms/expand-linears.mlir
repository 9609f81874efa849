// Linears and matrix products become contractions; a bias becomes an addition.
// RUN: danaus-opt %s --nn-expand-linears | FileCheck %s

// CHECK-DAG: #[[TI:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[OI:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[TO:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[KN:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[BMK:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[BKN:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
// CHECK-DAG: #[[BMN:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1 * 3 + d3)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2, d3)>
// CHECK-DAG: #[[H:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1 * 2 + d2)>
// CHECK-DAG: #[[G:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3 * 3 + d1)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2 * 3 + d1)>

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X0:.*]]: tensor<4x8xf32>, %[[W0:.*]]: tensor<10x8xf32>, %[[B0:.*]]: tensor<10xf32>)
// CHECK: %[[C0:.*]] = nn.contract %[[X0]], %[[W0]] sizes [4, 10, 8] maps [#[[TI]], #[[OI]], #[[TO]]]
// CHECK: %[[Y0:.*]] = nn.add %[[C0]], %[[B0]] : tensor<4x10xf32>, tensor<10xf32>
// CHECK: return %[[Y0]]
func.func @linear(%x: tensor<4x8xf32>, %w: tensor<10x8xf32>, %b: tensor<10xf32>) -> tensor<4x10xf32> {
  %0 = nn.linear %x, %w bias %b : tensor<10xf32> : tensor<4x8xf32>, tensor<10x8xf32> -> tensor<4x10xf32>
  return %0 : tensor<4x10xf32>
}

// CHECK-LABEL: func.func @matmul
// CHECK: nn.contract %arg0, %arg1 sizes [4, 10, 8] maps [#[[TI]], #[[KN]], #[[TO]]]
// CHECK-NOT: nn.matmul
func.func @matmul(%a: tensor<4x8xf32>, %b: tensor<8x10xf32>) -> tensor<4x10xf32> {
  %0 = nn.matmul %a, %b : tensor<4x8xf32>, tensor<8x10xf32> -> tensor<4x10xf32>
  return %0 : tensor<4x10xf32>
}

// CHECK-LABEL: func.func @batch_matmul
// CHECK: nn.contract %arg0, %arg1 sizes [2, 4, 5, 3] maps [#[[BMK]], #[[BKN]], #[[BMN]]]
func.func @batch_matmul(%a: tensor<2x4x3xf32>, %b: tensor<2x3x5xf32>) -> tensor<2x4x5xf32> {
  %0 = nn.batch_matmul %a, %b : tensor<2x4x3xf32>, tensor<2x3x5xf32> -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// CHECK-LABEL: func.func @low_rank
// CHECK: %[[H1:.*]] = nn.contract %arg0, %arg1 sizes [4, 2, 8] maps [#[[TI]], #[[OI]], #[[TO]]] : {{.*}} -> tensor<4x2xf32>
// CHECK: %[[Y1:.*]] = nn.contract %[[H1]], %arg2 sizes [4, 10, 2] maps [#[[TI]], #[[OI]], #[[TO]]]
// CHECK: return %[[Y1]]
func.func @low_rank(%x: tensor<4x8xf32>, %down: tensor<2x8xf32>, %up: tensor<10x2xf32>) -> tensor<4x10xf32> {
  %0 = nn.low_rank_linear %x, %down, %up : tensor<4x8xf32>, tensor<2x8xf32>, tensor<10x2xf32> -> tensor<4x10xf32>
  return %0 : tensor<4x10xf32>
}

// Ragged on both sides: 7 inputs in 3 blocks of 3, 11 outputs in 3 blocks of 4. Nothing is padded.
// CHECK-LABEL: func.func @monarch
// CHECK: %[[H2:.*]] = nn.contract %arg0, %arg1 sizes [4, 3, 2, 3] maps [#[[X]], #[[W]], #[[H]]] : {{.*}} -> tensor<4x6xf32>
// CHECK: %[[Y2:.*]] = nn.contract %[[H2]], %arg2 sizes [4, 3, 4, 2] maps [#[[G]], #[[W]], #[[Y]]] : {{.*}} -> tensor<4x11xf32>
// CHECK: %[[Z2:.*]] = nn.add %[[Y2]], %arg3
// CHECK: return %[[Z2]]
func.func @monarch(%x: tensor<4x7xf32>, %w1: tensor<3x2x3xf32>, %w2: tensor<3x4x2xf32>,
                   %b: tensor<11xf32>) -> tensor<4x11xf32> {
  %0 = nn.monarch_linear %x, %w1, %w2 bias %b : tensor<11xf32> : tensor<4x7xf32>, tensor<3x2x3xf32>, tensor<3x4x2xf32> -> tensor<4x11xf32>
  return %0 : tensor<4x11xf32>
}
