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

// -----

// A Monarch linear, whose factors are no block-diagonal linears: nothing is said of that.
func.func @monarch(%x: tensor<5x24xf32>, %w1: tensor<4x6x6xf32> {nn.role = "parameter"},
                   %w2: tensor<4x6x8xf32> {nn.role = "parameter"}) -> tensor<5x32xf32> {
  %a = nn.reshape %x : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %h = nn.batch_matmul %a1, %w1 : tensor<4x5x6xf32>, tensor<4x6x6xf32> -> tensor<4x5x6xf32>
  %h1 = nn.transpose %h [1, 0, 2] : tensor<4x5x6xf32> -> tensor<5x4x6xf32>
  %h2 = nn.reshape %h1 : tensor<5x4x6xf32> -> tensor<5x6x4xf32>
  %h3 = nn.transpose %h2 [2, 0, 1] : tensor<5x6x4xf32> -> tensor<4x5x6xf32>
  %y = nn.batch_matmul %h3, %w2 : tensor<4x5x6xf32>, tensor<4x6x8xf32> -> tensor<4x5x8xf32>
  %y1 = nn.transpose %y [1, 2, 0] : tensor<4x5x8xf32> -> tensor<5x8x4xf32>
  %y2 = nn.reshape %y1 : tensor<5x8x4xf32> -> tensor<5x32xf32>
  return %y2 : tensor<5x32xf32>
}

// -----

// Two block-diagonal linears in a row, which are no Monarch linear.
func.func @block_diagonals(%x: tensor<5x24xf32>, %w1: tensor<4x6x6xf32> {nn.role = "parameter"},
                           %w2: tensor<4x6x6xf32> {nn.role = "parameter"}) -> tensor<5x24xf32> {
  %a = nn.reshape %x : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %a1 = nn.transpose %a [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %h = nn.batch_matmul %a1, %w1 : tensor<4x5x6xf32>, tensor<4x6x6xf32> -> tensor<4x5x6xf32>
  %h1 = nn.transpose %h [1, 0, 2] : tensor<4x5x6xf32> -> tensor<5x4x6xf32>
  %h2 = nn.reshape %h1 : tensor<5x4x6xf32> -> tensor<5x24xf32>
  %b = nn.reshape %h2 : tensor<5x24xf32> -> tensor<5x4x6xf32>
  %b1 = nn.transpose %b [1, 0, 2] : tensor<5x4x6xf32> -> tensor<4x5x6xf32>
  %y = nn.batch_matmul %b1, %w2 : tensor<4x5x6xf32>, tensor<4x6x6xf32> -> tensor<4x5x6xf32>
  %y1 = nn.transpose %y [1, 0, 2] : tensor<4x5x6xf32> -> tensor<5x4x6xf32>
  %y2 = nn.reshape %y1 : tensor<5x4x6xf32> -> tensor<5x24xf32>
  return %y2 : tensor<5x24xf32>
}
