// One case per numbered constraint of the operations that only move elements, named after it.
// RUN: danaus-opt %s --split-input-file --verify-diagnostics

func.func @reshape_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{input 2x3 and result 5 have different numbers of elements}}
  %0 = nn.reshape %a : tensor<2x3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @transpose_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{[0, 0] is not a permutation of the 2 dimensions of 2x3}}
  %0 = nn.transpose %a [0, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @transpose_c1_range(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{[0, 2] is not a permutation of the 2 dimensions of 2x3}}
  %0 = nn.transpose %a [0, 2] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @transpose_c2(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{result 2x3 is not 2x3 permuted by [1, 0]}}
  %0 = nn.transpose %a [1, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @pad_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{ranks of input and result differ: 2x3 against 2x3x1}}
  %0 = nn.pad %a : tensor<2x3xf32> -> tensor<2x3x1xf32>
  return
}

// -----

func.func @pad_c2(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 2x2}}
  %0 = nn.pad %a : tensor<2x3xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @pad_c2_low(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 2x4 from [0, 2]}}
  %0 = nn.pad %a from [0, 2] : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @pad_c2_offsets(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{has 1 offsets for 2 dimensions}}
  %0 = nn.pad %a from [0] : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @pad_c2_negative(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 2x4 from [0, -1]}}
  %0 = nn.pad %a from [0, -1] : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @pad_c2_huge(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 2x4 from [0, 9223372036854775807]}}
  %0 = nn.pad %a from [0, 9223372036854775807] : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{ranks of input and result differ: 2x3 against 2}}
  %0 = nn.slice %a : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @slice_c2(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 2x4}}
  %0 = nn.slice %a : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_c2_low(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 1x3 from [2, 0]}}
  %0 = nn.slice %a from [2, 0] : tensor<2x3xf32> -> tensor<1x3xf32>
  return
}

// -----

func.func @slice_c2_offsets(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{has 3 offsets for 2 dimensions}}
  %0 = nn.slice %a from [0, 0, 0] : tensor<2x3xf32> -> tensor<1x3xf32>
  return
}

// -----

func.func @slice_c2_negative(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot turn 2x3 into 1x3 from [-1, 0]}}
  %0 = nn.slice %a from [-1, 0] : tensor<2x3xf32> -> tensor<1x3xf32>
  return
}
