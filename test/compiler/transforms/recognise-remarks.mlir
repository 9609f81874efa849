// RUN: danaus-opt %s --nn-recognise --split-input-file --verify-diagnostics

// The identity between the factors is another permutation than Monarch's.
func.func @no_permutation(%x: tensor<4x5x6xf32>, %w1: tensor<4x6x6xf32> {nn.role = "parameter"},
                          %w2: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<4x5x8xf32> {
  %h = nn.batch_matmul %x, %w1 : tensor<4x5x6xf32>, tensor<4x6x6xf32> -> tensor<4x5x6xf32>
  // expected-remark @+1 {{not a Monarch linear: hidden element 1 meets block 0, position 1; Monarch needs element 4 there}}
  %y = nn.batch_matmul %h, %w2 : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  return %y : tensor<4x5x8xf32>
}

// -----

func.func @wide(%x: tensor<8x32xf32>, %v: tensor<40x32xf32>, %u: tensor<16x40xf32>) -> tensor<8x16xf32> {
  %h = nn.linear %x, %v : tensor<8x32xf32>, tensor<40x32xf32> -> tensor<8x40xf32>
  // expected-remark @+1 {{not a low-rank linear: inner width 40 is not below min(in, out) = 16: no gain}}
  %y = nn.linear %h, %u : tensor<8x40xf32>, tensor<16x40xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// -----

func.func @other_user(%x: tensor<8x32xf32>, %v: tensor<4x32xf32>, %u: tensor<16x4xf32>) -> (tensor<8x4xf32>, tensor<8x16xf32>) {
  %h = nn.linear %x, %v : tensor<8x32xf32>, tensor<4x32xf32> -> tensor<8x4xf32>
  // expected-remark @+1 {{the intermediate 8x4 has another user}}
  %y = nn.linear %h, %u : tensor<8x4xf32>, tensor<16x4xf32> -> tensor<8x16xf32>
  return %h, %y : tensor<8x4xf32>, tensor<8x16xf32>
}

// -----

func.func @activation(%x: tensor<8x32xf32>, %v: tensor<4x32xf32>, %u: tensor<16x4xf32>) -> tensor<8x16xf32> {
  %h = nn.linear %x, %v : tensor<8x32xf32>, tensor<4x32xf32> -> tensor<8x4xf32>
  %r = nn.relu %h : tensor<8x4xf32>
  // expected-remark @+1 {{nn.relu stands between the two products}}
  %y = nn.linear %r, %u : tensor<8x4xf32>, tensor<16x4xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}
