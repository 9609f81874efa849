// Folds of the operations that only move elements.
// RUN: danaus-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @reshape_to_the_same_shape
// CHECK-NEXT: return %arg0
func.func @reshape_to_the_same_shape(%a: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.reshape %a : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @reshape_of_reshape
// CHECK-NEXT: %[[R:.*]] = nn.reshape %arg0 : tensor<2x6xf32> -> tensor<3x4xf32>
// CHECK-NEXT: return %[[R]]
func.func @reshape_of_reshape(%a: tensor<2x6xf32>) -> tensor<3x4xf32> {
  %0 = nn.reshape %a : tensor<2x6xf32> -> tensor<12xf32>
  %1 = nn.reshape %0 : tensor<12xf32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @reshape_there_and_back
// CHECK-NEXT: return %arg0
func.func @reshape_there_and_back(%a: tensor<2x6xf32>) -> tensor<2x6xf32> {
  %0 = nn.reshape %a : tensor<2x6xf32> -> tensor<12xf32>
  %1 = nn.reshape %0 : tensor<12xf32> -> tensor<2x6xf32>
  return %1 : tensor<2x6xf32>
}

// CHECK-LABEL: func.func @identity_transpose
// CHECK-NEXT: return %arg0
func.func @identity_transpose(%a: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.transpose %a [0, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @transpose_of_transpose
// CHECK-NEXT: %[[T:.*]] = nn.transpose %arg0 [2, 1, 0] : tensor<2x3x5xf32> -> tensor<5x3x2xf32>
// CHECK-NEXT: return %[[T]]
func.func @transpose_of_transpose(%a: tensor<2x3x5xf32>) -> tensor<5x3x2xf32> {
  %0 = nn.transpose %a [2, 0, 1] : tensor<2x3x5xf32> -> tensor<5x2x3xf32>
  %1 = nn.transpose %0 [0, 2, 1] : tensor<5x2x3xf32> -> tensor<5x3x2xf32>
  return %1 : tensor<5x3x2xf32>
}

// CHECK-LABEL: func.func @inverse_transposes
// CHECK-NEXT: return %arg0
func.func @inverse_transposes(%a: tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
  %0 = nn.transpose %a [2, 0, 1] : tensor<2x3x5xf32> -> tensor<5x2x3xf32>
  %1 = nn.transpose %0 [1, 2, 0] : tensor<5x2x3xf32> -> tensor<2x3x5xf32>
  return %1 : tensor<2x3x5xf32>
}

// CHECK-LABEL: func.func @square_transpose_stays
// CHECK-NEXT: nn.transpose %arg0 [1, 0]
func.func @square_transpose_stays(%a: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %0 = nn.transpose %a [1, 0] : tensor<3x3xf32> -> tensor<3x3xf32>
  return %0 : tensor<3x3xf32>
}

// CHECK-LABEL: func.func @unused_results_go
// CHECK-NEXT: return %arg0
func.func @unused_results_go(%a: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %0 = nn.matmul %a, %a : tensor<3x3xf32>, tensor<3x3xf32> -> tensor<3x3xf32>
  return %a : tensor<3x3xf32>
}
