// RUN: danaus-opt %s --nn-build-steps --split-input-file --verify-diagnostics

// expected-error @+1 {{needs @forward(input, labels, control, parameters...) -> (loss, correct, logits)}}
module {}

// -----

// expected-error @+1 {{needs the attribute nn.optimizer = {kind = "sgd" | "adam" | "adamw", ...}}}
module {
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>) {
    %loss, %hit = nn.cross_entropy_loss %x, %l, %c smoothing 0.0 : tensor<4x8xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %x : tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>
  }
}

// -----

module attributes {nn.optimizer = {kind = "sgd"}} {
  // expected-error @+1 {{parameter "w" has no influence on the loss}}
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>,
                     %w: tensor<3xf32> {nn.name = "w", nn.role = "parameter"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>) {
    %loss, %hit = nn.cross_entropy_loss %x, %l, %c smoothing 0.0 : tensor<4x8xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %x : tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>
  }
}

// -----

// expected-error @+1 {{needs @forward(input, labels, control, mix_labels, mix_weight, parameters...) -> (loss, correct, logits)}}
module attributes {nn.optimizer = {kind = "sgd"}, nn.mixes} {}
