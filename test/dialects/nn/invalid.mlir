// One case per numbered constraint of products, elementwise operations, losses and optimizers, named
// after it.
// RUN: danaus-opt %s --split-input-file --verify-diagnostics

func.func @matmul_c1(%a: tensor<2x3x4xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{expects matrices, got 2x3x4 and 4x5}}
  %0 = nn.matmul %a, %b : tensor<2x3x4xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_c2(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{inner dimensions differ: 2x3 times 4x5}}
  %0 = nn.matmul %a, %b : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_c3(%a: tensor<2x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{result of 2x3 times 3x5 cannot be 2x4}}
  %0 = nn.matmul %a, %b : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @batch_matmul_c1(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @+1 {{expects rank 3, got 2x3 and 3x4}}
  %0 = nn.batch_matmul %a, %b : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @batch_matmul_c2(%a: tensor<2x3x4xf32>, %b: tensor<3x4x5xf32>) {
  // expected-error @+1 {{batch dimensions differ: 2x3x4 times 3x4x5}}
  %0 = nn.batch_matmul %a, %b : tensor<2x3x4xf32>, tensor<3x4x5xf32> -> tensor<2x3x5xf32>
  return
}

// -----

func.func @batch_matmul_c3(%a: tensor<2x3x4xf32>, %b: tensor<2x5x6xf32>) {
  // expected-error @+1 {{inner dimensions differ: 2x3x4 times 2x5x6}}
  %0 = nn.batch_matmul %a, %b : tensor<2x3x4xf32>, tensor<2x5x6xf32> -> tensor<2x3x6xf32>
  return
}

// -----

func.func @batch_matmul_c4(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>) {
  // expected-error @+1 {{result of 2x3x4 times 2x4x5 cannot be 2x5x3}}
  %0 = nn.batch_matmul %a, %b : tensor<2x3x4xf32>, tensor<2x4x5xf32> -> tensor<2x5x3xf32>
  return
}

// -----

func.func @linear_c1(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{input 2x3 and result 4x5 must be matrices of equally many rows}}
  %0 = nn.linear %a, %b : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<4x5xf32>
  return
}

// -----

func.func @linear_c2(%a: tensor<2x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{weight 3x5 must be (out, in) = 5x3}}
  %0 = nn.linear %a, %b : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @linear_c3(%x: tensor<2x3xf32>, %w: tensor<5x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{bias 3 must be (out) = 5}}
  %0 = nn.linear %x, %w bias %b : tensor<3xf32> : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c1(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{expects three maps (lhs, rhs, result), got 2}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c1_rank(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{map of rhs has 3 dimensions and 1 results, expected 3 and 2}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c1_dimensions(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{map of lhs has 3 dimensions and 2 results, expected 4 and 2}}
  %0 = nn.contract %a, %b sizes [2, 5, 3, 1] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c2(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{sizes must be at least 1, got [2, 0, 3]}}
  %0 = nn.contract %a, %b sizes [2, 0, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c3(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{dimension d1 occurs in fewer than two maps}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (i, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c4(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{map of lhs is not a sum of non-negative multiples of dimensions}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i floordiv 2)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c4_negative(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{map of rhs is not a sum of non-negative multiples of dimensions}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i * -1)>, affine_map<(t, o, i) -> (t, o)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c4_offset(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{map of result is not a sum of non-negative multiples of dimensions}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o + 1)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c5(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{the result's map writes an element from several points}}
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>, affine_map<(t, o, i) -> (o, i)>, affine_map<(t, o, i) -> (t, o + i)>] : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @add_c1(%a: tensor<2x3xf32>, %b: tensor<2xf32>) {
  // expected-error @+1 {{cannot add 2 to 2x3: the right shape must be a suffix of the left one}}
  %0 = nn.add %a, %b : tensor<2x3xf32>, tensor<2xf32>
  return
}

// -----

func.func @sum_leading_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{result 2 is not a proper suffix of input 2x3}}
  %0 = nn.sum_leading %a : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @sum_leading_c1_proper(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{result 2x3 is not a proper suffix of input 2x3}}
  %0 = nn.sum_leading %a : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @cross_entropy_loss_c1(%z: tensor<4x3xf32>, %y: tensor<5xi32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{logits 4x3 and labels 5 must have equally many rows}}
  %l, %h = nn.cross_entropy_loss %z, %y, %c smoothing 0.0 : tensor<4x3xf32>, tensor<5xi32>, tensor<16xf32> -> tensor<5xf32>, tensor<5xf32>
  return
}

// -----

func.func @cross_entropy_loss_c1_rows(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{loss and correct must be (rows) = 4, got 3}}
  %l, %h = nn.cross_entropy_loss %z, %y, %c smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<3xf32>, tensor<3xf32>
  return
}

// -----

func.func @cross_entropy_loss_c2(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{label_smoothing must be in [0, 1), got 1.0}}
  %l, %h = nn.cross_entropy_loss %z, %y, %c smoothing 1.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @cross_entropy_backward_c1(%z: tensor<4x3xf32>, %y: tensor<5xi32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{logits 4x3 and labels 5 must have equally many rows}}
  %0 = nn.cross_entropy_backward %z, %y, %c smoothing 0.0 : tensor<4x3xf32>, tensor<5xi32>, tensor<16xf32>
  return
}

// -----

func.func @cross_entropy_backward_c2(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{label_smoothing must be in [0, 1), got -5.0}}
  %0 = nn.cross_entropy_backward %z, %y, %c smoothing -0.5 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>
  return
}

// -----

func.func @cross_entropy_loss_c3(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>, %m: tensor<4xi32>, %w: tensor<3xf32>) {
  // expected-error @+1 {{mix_labels and mix_weight must be (rows) = 4, got 3}}
  %l, %h = nn.cross_entropy_loss %z, %y, %c mix %m, %w : tensor<4xi32>, tensor<3xf32> smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @cross_entropy_loss_c3_one(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>, %m: tensor<4xi32>) {
  // expected-error @+1 {{has only one of mix_labels and mix_weight}}
  %l, %h = "nn.cross_entropy_loss"(%z, %y, %c, %m) <{label_smoothing = 0.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}> : (tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>, tensor<4xi32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @cross_entropy_backward_c3(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>, %m: tensor<5xi32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{mix_labels and mix_weight must be (rows) = 4, got 5}}
  %0 = nn.cross_entropy_backward %z, %y, %c mix %m, %w : tensor<5xi32>, tensor<4xf32> smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>
  return
}

// -----

func.func @batch_metrics_c1(%l: tensor<4x1xf32>, %h: tensor<4x1xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{loss 4x1 and correct 4x1 must be (rows)}}
  %0 = nn.batch_metrics %l, %h, %c : tensor<4x1xf32>, tensor<16xf32> -> tensor<16xf32>
  return
}

// -----

func.func @batch_metrics_c2(%l: tensor<4xf32>, %h: tensor<4xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{result must have 16 elements, got 8}}
  %0 = nn.batch_metrics %l, %h, %c : tensor<4xf32>, tensor<16xf32> -> tensor<8xf32>
  return
}

// -----

func.func @sgd_step_c1(%p: tensor<3xf32>, %g: tensor<4xf32>, %c: tensor<16xf32>, %m: tensor<16xf32>, %v: tensor<3xf32>) {
  // expected-error @+1 {{parameter 3 and its gradient and state 4 differ in shape}}
  %0 = nn.sgd_step %p, %g, %c, %m {momentum = 0.0, weight_decay = 0.0} : (tensor<3xf32>, tensor<4xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @sgd_step_c1_velocity(%p: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>, %m: tensor<16xf32>, %v: tensor<3xf32>) {
  // expected-error @+1 {{velocity must be both taken and given, or neither}}
  %0 = nn.sgd_step %p, %g, %c, %m, %v {momentum = 0.5, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @sgd_step_c2(%p: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>, %m: tensor<16xf32>, %v: tensor<3xf32>) {
  // expected-error @+1 {{max_norm must be positive, got 0.0}}
  %0 = nn.sgd_step %p, %g, %c, %m {max_norm = 0.0, momentum = 0.0, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @adam_step_c1(%p: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>, %x: tensor<16xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{parameter 3 and its gradient and state 2 differ in shape}}
  %0:3 = nn.adam_step %p, %g, %c, %x, %s, %s {beta1 = 0.9, beta2 = 0.99, epsilon = 1.0e-8, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<3xf32>, tensor<2xf32>, tensor<2xf32>)
  return
}

// -----

func.func @adam_step_c2(%p: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>, %x: tensor<16xf32>, %s: tensor<3xf32>) {
  // expected-error @+1 {{max_norm must be positive, got -1.0}}
  %0:3 = nn.adam_step %p, %g, %c, %x, %s, %s {beta1 = 0.9, beta2 = 0.99, epsilon = 1.0e-8, max_norm = -1.0, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return
}

// -----

func.func @low_rank_linear_c1(%x: tensor<2x8xf32>, %a: tensor<3x8xf32>, %b: tensor<6x3xf32>) {
  // expected-error @+1 {{input 2x8 and result 4x6 must be matrices of equally many rows}}
  %0 = nn.low_rank_linear %x, %a, %b : tensor<2x8xf32>, tensor<3x8xf32>, tensor<6x3xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @low_rank_linear_c2(%x: tensor<2x8xf32>, %a: tensor<3x7xf32>, %b: tensor<6x3xf32>) {
  // expected-error @+1 {{down 3x7 must be (r, in) with in = 8}}
  %0 = nn.low_rank_linear %x, %a, %b : tensor<2x8xf32>, tensor<3x7xf32>, tensor<6x3xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @low_rank_linear_c3(%x: tensor<2x8xf32>, %a: tensor<3x8xf32>, %b: tensor<3x6xf32>) {
  // expected-error @+1 {{up 3x6 must be (out, r) = 6x3}}
  %0 = nn.low_rank_linear %x, %a, %b : tensor<2x8xf32>, tensor<3x8xf32>, tensor<3x6xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @low_rank_linear_c4(%x: tensor<2x8xf32>, %a: tensor<3x8xf32>, %b: tensor<6x3xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{bias 8 must be (out) = 6}}
  %0 = nn.low_rank_linear %x, %a, %b bias %c : tensor<8xf32> : tensor<2x8xf32>, tensor<3x8xf32>, tensor<6x3xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @monarch_linear_c1(%x: tensor<2x7xf32>, %a: tensor<3x2x3xf32>, %b: tensor<3x4x2xf32>) {
  // expected-error @+1 {{input 2x7 and result 4x11 must be matrices of equally many rows}}
  %0 = nn.monarch_linear %x, %a, %b : tensor<2x7xf32>, tensor<3x2x3xf32>, tensor<3x4x2xf32> -> tensor<4x11xf32>
  return
}

// -----

func.func @monarch_linear_c2(%x: tensor<2x7xf32>, %a: tensor<3x2x2xf32>, %b: tensor<3x4x2xf32>) {
  // expected-error @+1 {{blkdiag1 3x2x2 must be (N, q, ceil(in / N)) with in = 7}}
  %0 = nn.monarch_linear %x, %a, %b : tensor<2x7xf32>, tensor<3x2x2xf32>, tensor<3x4x2xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @monarch_linear_c2_no_blocks(%x: tensor<2x7xf32>, %a: tensor<0x2x3xf32>, %b: tensor<0x4x2xf32>) {
  // expected-error @+1 {{blkdiag1 0x2x3 must be (N, q, ceil(in / N)) with in = 7}}
  %0 = nn.monarch_linear %x, %a, %b : tensor<2x7xf32>, tensor<0x2x3xf32>, tensor<0x4x2xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @monarch_linear_c3(%x: tensor<2x7xf32>, %a: tensor<3x2x3xf32>, %b: tensor<4x3x2xf32>) {
  // expected-error @+1 {{blkdiag2 4x3x2 must be (N, ceil(out / N), q) = 3x4x2}}
  %0 = nn.monarch_linear %x, %a, %b : tensor<2x7xf32>, tensor<3x2x3xf32>, tensor<4x3x2xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @monarch_linear_c4(%x: tensor<2x7xf32>, %a: tensor<3x2x3xf32>, %b: tensor<3x4x2xf32>, %c: tensor<12xf32>) {
  // expected-error @+1 {{bias 12 must be (out) = 11}}
  %0 = nn.monarch_linear %x, %a, %b bias %c : tensor<12xf32> : tensor<2x7xf32>, tensor<3x2x3xf32>, tensor<3x4x2xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @block_diagonal_linear_c1(%x: tensor<2x7xf32>, %w: tensor<3x4x3xf32>) {
  // expected-error @+1 {{input 2x7 and result 4x11 must be matrices of equally many rows}}
  %0 = nn.block_diagonal_linear %x, %w : tensor<2x7xf32>, tensor<3x4x3xf32> -> tensor<4x11xf32>
  return
}

// -----

func.func @block_diagonal_linear_c2(%x: tensor<2x7xf32>, %w: tensor<3x4x2xf32>) {
  // expected-error @+1 {{blkdiag 3x4x2 must be (N, ceil(out / N), ceil(in / N)) with in = 7, out = 11}}
  %0 = nn.block_diagonal_linear %x, %w : tensor<2x7xf32>, tensor<3x4x2xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @block_diagonal_linear_c2_no_blocks(%x: tensor<2x7xf32>, %w: tensor<0x4x3xf32>) {
  // expected-error @+1 {{blkdiag 0x4x3 must be (N, ceil(out / N), ceil(in / N)) with in = 7, out = 11}}
  %0 = nn.block_diagonal_linear %x, %w : tensor<2x7xf32>, tensor<0x4x3xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @block_diagonal_linear_c3(%x: tensor<2x7xf32>, %w: tensor<3x4x3xf32>, %b: tensor<12xf32>) {
  // expected-error @+1 {{bias 12 must be (out) = 11}}
  %0 = nn.block_diagonal_linear %x, %w bias %b : tensor<12xf32> : tensor<2x7xf32>, tensor<3x4x3xf32> -> tensor<2x11xf32>
  return
}

// -----

func.func @ema_step_c1(%a: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>) {
  %p = nn.sgd_step %a, %g, %c, %c {momentum = 0.0, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<3xf32>
  // expected-error @+1 {{decay must be between 0 and 1, got 1.0}}
  %0 = nn.ema_step %a, %p, %c decay 1.0 : tensor<3xf32>, tensor<16xf32>
  return
}

// -----

func.func @ema_step_c2(%a: tensor<3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{averages something else than the new parameter of an update}}
  %0 = nn.ema_step %a, %a, %c decay 0.5 : tensor<3xf32>, tensor<16xf32>
  return
}

// -----

func.func @ema_step_c2_twice(%a: tensor<3xf32>, %g: tensor<3xf32>, %c: tensor<16xf32>) {
  %p = nn.sgd_step %a, %g, %c, %c {momentum = 0.0, weight_decay = 0.0} : (tensor<3xf32>, tensor<3xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<3xf32>
  // expected-error @+1 {{is the second average of one parameter}}
  %0 = nn.ema_step %a, %p, %c decay 0.5 : tensor<3xf32>, tensor<16xf32>
  %1 = nn.ema_step %g, %p, %c decay 0.5 : tensor<3xf32>, tensor<16xf32>
  return
}
