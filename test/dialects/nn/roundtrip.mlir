// Every operation prints as it is written, and parses again.
// RUN: danaus-opt %s | danaus-opt | FileCheck %s

// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2) -> (d1 * 2 + d2)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: func.func @shapes
func.func @shapes(%a: tensor<2x3xf32>) -> tensor<4x1xf32> {
  // CHECK: nn.pad %{{.*}} : tensor<2x3xf32> -> tensor<2x4xf32>
  %0 = nn.pad %a : tensor<2x3xf32> -> tensor<2x4xf32>
  // CHECK: nn.transpose %{{.*}} [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  %1 = nn.transpose %0 [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  // CHECK: nn.slice %{{.*}} : tensor<4x2xf32> -> tensor<2x2xf32>
  %2 = nn.slice %1 : tensor<4x2xf32> -> tensor<2x2xf32>
  // CHECK: nn.reshape %{{.*}} : tensor<2x2xf32> -> tensor<4x1xf32>
  %3 = nn.reshape %2 : tensor<2x2xf32> -> tensor<4x1xf32>
  return %3 : tensor<4x1xf32>
}

// CHECK-LABEL: func.func @shapes_from_an_offset
func.func @shapes_from_an_offset(%a: tensor<2x3xf32>) -> tensor<2x1xf32> {
  // CHECK: nn.pad %{{.*}} from [1, 0] : tensor<2x3xf32> -> tensor<4x3xf32>
  %0 = nn.pad %a from [1, 0] : tensor<2x3xf32> -> tensor<4x3xf32>
  // CHECK: nn.slice %{{.*}} from [2, 2] : tensor<4x3xf32> -> tensor<2x1xf32>
  %1 = nn.slice %0 from [2, 2] : tensor<4x3xf32> -> tensor<2x1xf32>
  return %1 : tensor<2x1xf32>
}

// CHECK-LABEL: func.func @norm
func.func @norm(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) -> (tensor<5x3xf32>, tensor<3xf32>) {
  // CHECK: %{{.*}}, %{{.*}}, %{{.*}} = nn.layer_norm %{{.*}}, %{{.*}}, %{{.*}} epsilon 5.000000e-01 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 0.5 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  // CHECK: nn.layer_norm_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<5x3xf32>, tensor<3xf32>, tensor<5xf32>
  %0 = nn.layer_norm_backward %x, %w, %m, %r, %y : tensor<5x3xf32>, tensor<3xf32>, tensor<5xf32>
  // CHECK: %{{.*}}, %{{.*}} = nn.layer_norm_weight_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<5x3xf32>, tensor<5xf32> -> tensor<3xf32>
  %1, %2 = nn.layer_norm_weight_backward %x, %m, %r, %0 : tensor<5x3xf32>, tensor<5xf32> -> tensor<3xf32>
  return %0, %1 : tensor<5x3xf32>, tensor<3xf32>
}

// CHECK-LABEL: func.func @tokens
func.func @tokens(%x: tensor<2x5x6xf32>, %c: tensor<16xf32>) -> tensor<2x5x6xf32> {
  // CHECK: %{{.*}}, %{{.*}} = nn.attention %{{.*}}, %{{.*}}, %{{.*}} heads 3 : tensor<2x5x6xf32> -> tensor<2x3x5xf32>
  %y, %l = nn.attention %x, %x, %x heads 3 : tensor<2x5x6xf32> -> tensor<2x3x5xf32>
  // CHECK: nn.attention_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} heads 3 : tensor<2x5x6xf32>, tensor<2x3x5xf32>
  %0, %1, %2 = nn.attention_backward %x, %x, %x, %y, %l, %y heads 3 : tensor<2x5x6xf32>, tensor<2x3x5xf32>
  // CHECK: nn.dropout %{{.*}}, %{{.*}} rate 2.500000e-01 stream 7 group 30 : tensor<2x5x6xf32>, tensor<16xf32>
  %3 = nn.dropout %0, %c rate 0.25 stream 7 group 30 : tensor<2x5x6xf32>, tensor<16xf32>
  // CHECK: nn.mean_tokens %{{.*}} : tensor<2x5x6xf32> -> tensor<2x6xf32>
  %4 = nn.mean_tokens %3 : tensor<2x5x6xf32> -> tensor<2x6xf32>
  // CHECK: nn.mean_tokens_backward %{{.*}} : tensor<2x6xf32> -> tensor<2x5x6xf32>
  %5 = nn.mean_tokens_backward %4 : tensor<2x6xf32> -> tensor<2x5x6xf32>
  return %5 : tensor<2x5x6xf32>
}

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: nn.add %{{.*}}, %{{.*}} : tensor<2x3xf32>, tensor<3xf32>
  %0 = nn.add %a, %b : tensor<2x3xf32>, tensor<3xf32>
  // CHECK: nn.relu %{{.*}} : tensor<2x3xf32>
  %1 = nn.relu %0 : tensor<2x3xf32>
  // CHECK: nn.gelu %{{.*}} : tensor<2x3xf32>
  %2 = nn.gelu %1 : tensor<2x3xf32>
  // CHECK: nn.gelu_tanh %{{.*}} : tensor<2x3xf32>
  %3 = nn.gelu_tanh %2 : tensor<2x3xf32>
  // CHECK: nn.round %{{.*}} to bf16 : tensor<2x3xf32>
  %half = nn.round %2 to bf16 : tensor<2x3xf32>
  // CHECK: nn.gelu_tanh_backward %{{.*}}, %{{.*}} : tensor<2x3xf32>
  %4 = nn.gelu_tanh_backward %2, %3 : tensor<2x3xf32>
  // CHECK: nn.gelu_backward %{{.*}}, %{{.*}} : tensor<2x3xf32>
  %5 = nn.gelu_backward %1, %4 : tensor<2x3xf32>
  // CHECK: nn.relu_backward %{{.*}}, %{{.*}} : tensor<2x3xf32>
  %6 = nn.relu_backward %1, %5 : tensor<2x3xf32>
  // CHECK: nn.sum_leading %{{.*}} : tensor<2x3xf32> -> tensor<3xf32>
  %7 = nn.sum_leading %6 : tensor<2x3xf32> -> tensor<3xf32>
  return %7 : tensor<3xf32>
}

// CHECK-LABEL: func.func @products
func.func @products(%a: tensor<2x3xf32>, %b: tensor<3x5xf32>, %c: tensor<7x2x3xf32>,
                    %d: tensor<7x3x4xf32>) -> (tensor<2x5xf32>, tensor<7x2x4xf32>) {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<2x5xf32>
  %0 = nn.matmul %a, %b : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<2x5xf32>
  // CHECK: nn.batch_matmul %{{.*}}, %{{.*}} : tensor<7x2x3xf32>, tensor<7x3x4xf32> -> tensor<7x2x4xf32>
  %1 = nn.batch_matmul %c, %d : tensor<7x2x3xf32>, tensor<7x3x4xf32> -> tensor<7x2x4xf32>
  return %0, %1 : tensor<2x5xf32>, tensor<7x2x4xf32>
}

// CHECK-LABEL: func.func @contract
func.func @contract(%a: tensor<2x3xf32>, %b: tensor<9xf32>) -> tensor<2x5xf32> {
  // CHECK: nn.contract %{{.*}}, %{{.*}} sizes [2, 5, 3] maps [#[[LHS]], #[[RHS]], #[[OUT]]] : tensor<2x3xf32>, tensor<9xf32> -> tensor<2x5xf32>
  %0 = nn.contract %a, %b sizes [2, 5, 3] maps [affine_map<(t, o, i) -> (t, i)>,
    affine_map<(t, o, i) -> (o * 2 + i)>, affine_map<(t, o, i) -> (t, o)>]
    : tensor<2x3xf32>, tensor<9xf32> -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// CHECK-LABEL: func.func @linears
func.func @linears(%x: tensor<2x7xf32>, %w: tensor<7x7xf32>, %b: tensor<7xf32>,
                   %down: tensor<3x7xf32>, %up: tensor<7x3xf32>, %w1: tensor<3x2x3xf32>,
                   %w2: tensor<3x4x2xf32>, %c: tensor<11xf32>, %w3: tensor<3x3x4xf32>, %e: tensor<8xf32>) -> tensor<2x8xf32> {
  // CHECK: nn.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<7xf32> : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
  %0 = nn.linear %x, %w bias %b : tensor<7xf32> : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
  // CHECK: nn.linear %{{.*}}, %{{.*}} : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
  %1 = nn.linear %0, %w : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
  // CHECK: nn.low_rank_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} : tensor<7xf32> : tensor<2x7xf32>, tensor<3x7xf32>, tensor<7x3xf32> -> tensor<2x7xf32>
  %2 = nn.low_rank_linear %1, %down, %up bias %b : tensor<7xf32> : tensor<2x7xf32>, tensor<3x7xf32>, tensor<7x3xf32> -> tensor<2x7xf32>
  // CHECK: nn.monarch_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} : tensor<11xf32> : tensor<2x7xf32>, tensor<3x2x3xf32>, tensor<3x4x2xf32> -> tensor<2x11xf32>
  %3 = nn.monarch_linear %2, %w1, %w2 bias %c : tensor<11xf32> : tensor<2x7xf32>, tensor<3x2x3xf32>, tensor<3x4x2xf32> -> tensor<2x11xf32>
  // CHECK: nn.block_diagonal_linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<8xf32> : tensor<2x11xf32>, tensor<3x3x4xf32> -> tensor<2x8xf32>
  %4 = nn.block_diagonal_linear %3, %w3 bias %e : tensor<8xf32> : tensor<2x11xf32>, tensor<3x3x4xf32> -> tensor<2x8xf32>
  return %4 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @step
func.func @step(%z: tensor<4x3xf32>, %y: tensor<4xi32>, %c: tensor<16xf32>, %p: tensor<4x3xf32>,
                %s: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  // CHECK: nn.cross_entropy_loss %{{.*}}, %{{.*}}, %{{.*}} smoothing 1.000000e-01 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
  %l, %h = nn.cross_entropy_loss %z, %y, %c smoothing 0.1 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
  // CHECK: nn.cross_entropy_backward %{{.*}}, %{{.*}}, %{{.*}} smoothing 1.000000e-01 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>
  %g = nn.cross_entropy_backward %z, %y, %c smoothing 0.1 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>
  // CHECK: nn.cross_entropy_loss %{{.*}}, %{{.*}}, %{{.*}} mix %{{.*}}, %{{.*}} : tensor<4xi32>, tensor<4xf32> smoothing
  %ml, %mh = nn.cross_entropy_loss %z, %y, %c mix %y, %l : tensor<4xi32>, tensor<4xf32> smoothing 0.1 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
  // CHECK: nn.cross_entropy_backward %{{.*}}, %{{.*}}, %{{.*}} mix %{{.*}}, %{{.*}} : tensor<4xi32>, tensor<4xf32> smoothing
  %mg = nn.cross_entropy_backward %z, %y, %c mix %y, %l : tensor<4xi32>, tensor<4xf32> smoothing 0.1 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32>
  // CHECK: nn.ema_step %{{.*}}, %{{.*}}, %{{.*}} decay 7.500000e-01 : tensor<4x3xf32>, tensor<16xf32>
  %new = nn.sgd_step %z, %g, %c, %c {momentum = 0.0, weight_decay = 0.0} : (tensor<4x3xf32>, tensor<4x3xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<4x3xf32>
  %average = nn.ema_step %g, %new, %c decay 0.75 : tensor<4x3xf32>, tensor<16xf32>
  // CHECK: nn.after %{{.*}}, %{{.*}} : tensor<4x3xf32>, tensor<4xf32>
  %late = nn.after %z, %l : tensor<4x3xf32>, tensor<4xf32>
  // CHECK: nn.accumulate %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x3xf32>, tensor<16xf32>
  %sum = nn.accumulate %g, %z, %c : tensor<4x3xf32>, tensor<16xf32>
  // CHECK: nn.square_norm %{{.*}} : tensor<4x3xf32> -> tensor<1xf32>
  %n = nn.square_norm %g : tensor<4x3xf32> -> tensor<1xf32>
  // CHECK: nn.batch_metrics %{{.*}}, %{{.*}}, %{{.*}} norm %{{.*}} : tensor<1xf32> : tensor<4xf32>, tensor<16xf32> -> tensor<16xf32>
  %m = nn.batch_metrics %l, %h, %c norm %n : tensor<1xf32> : tensor<4xf32>, tensor<16xf32> -> tensor<16xf32>
  // CHECK: nn.sgd_step {{.*}} {max_norm = 1.000000e+00 : f64, momentum = 0.000000e+00 : f64, weight_decay = 0.000000e+00 : f64}
  %0 = nn.sgd_step %p, %g, %c, %m {max_norm = 1.0, momentum = 0.0, weight_decay = 0.0} : (tensor<4x3xf32>, tensor<4x3xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<4x3xf32>
  // CHECK: nn.adam_step {{.*}} {beta1 = 9.000000e-01 : f64, beta2 = 5.000000e-01 : f64, decoupled, epsilon = 1.000000e-08 : f64, weight_decay = 1.000000e-02 : f64}
  %1:3 = nn.adam_step %p, %g, %c, %m, %s, %s {beta1 = 0.9, beta2 = 0.5, decoupled, epsilon = 1.0e-8, weight_decay = 0.01} : (tensor<4x3xf32>, tensor<4x3xf32>, tensor<16xf32>, tensor<16xf32>, tensor<4x3xf32>, tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>)
  return %0, %1#0 : tensor<4x3xf32>, tensor<4x3xf32>
}
