// One case per numbered constraint of normalisation, attention and the operations on tokens, named
// after it.
// RUN: danaus-opt %s --split-input-file --verify-diagnostics

func.func @layer_norm_c1(%x: tensor<2x5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{input 2x5x3 must be (rows, C)}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 1.0e-5 : tensor<2x5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @layer_norm_c1_weight(%x: tensor<5x3xf32>, %w: tensor<5xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{weight and bias must be (C) = 3, got 5}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 1.0e-5 : tensor<5x3xf32>, tensor<5xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @layer_norm_c1_bias(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3x1xf32>) {
  // expected-error @+1 {{weight and bias must be (C) = 3, got 3x1}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 1.0e-5 : tensor<5x3xf32>, tensor<3xf32>, tensor<3x1xf32> -> tensor<5xf32>
  return
}

// -----

func.func @layer_norm_c2(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{mean and rstd must be (rows) = 5, got 3}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 1.0e-5 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @layer_norm_c3(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{epsilon must be positive, got 0.0}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 0.0 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @layer_norm_c3_negative(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{epsilon must be positive, got -1.0}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon -1.0 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @layer_norm_c3_nan(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{epsilon must be positive, got nan}}
  %y, %m, %r = nn.layer_norm %x, %w, %b epsilon 0x7FF8000000000000 : tensor<5x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  return
}

// -----

func.func @layer_norm_backward_c1(%x: tensor<5xf32>, %w: tensor<5xf32>, %m: tensor<5xf32>) {
  // expected-error @+1 {{input 5 must be (rows, C)}}
  %0 = nn.layer_norm_backward %x, %w, %m, %m, %x : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
  return
}

// -----

func.func @layer_norm_backward_c1_weight(%x: tensor<5x3xf32>, %w: tensor<5xf32>, %m: tensor<5xf32>) {
  // expected-error @+1 {{weight and bias must be (C) = 3, got 5}}
  %0 = nn.layer_norm_backward %x, %w, %m, %m, %x : tensor<5x3xf32>, tensor<5xf32>, tensor<5xf32>
  return
}

// -----

func.func @layer_norm_backward_c1_rows(%x: tensor<5x3xf32>, %w: tensor<3xf32>, %m: tensor<5x1xf32>) {
  // expected-error @+1 {{mean and rstd must be (rows) = 5, got 5x1}}
  %0 = nn.layer_norm_backward %x, %w, %m, %m, %x : tensor<5x3xf32>, tensor<3xf32>, tensor<5x1xf32>
  return
}

// -----

func.func @layer_norm_weight_backward_c1(%x: tensor<5x3x1xf32>, %m: tensor<5xf32>) {
  // expected-error @+1 {{input 5x3x1 must be (rows, C)}}
  %0, %1 = nn.layer_norm_weight_backward %x, %m, %m, %x : tensor<5x3x1xf32>, tensor<5xf32> -> tensor<3xf32>
  return
}

// -----

func.func @layer_norm_weight_backward_c1_rows(%x: tensor<5x3xf32>, %m: tensor<3xf32>) {
  // expected-error @+1 {{mean and rstd must be (rows) = 5, got 3}}
  %0, %1 = nn.layer_norm_weight_backward %x, %m, %m, %x : tensor<5x3xf32>, tensor<3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @layer_norm_weight_backward_c1_results(%x: tensor<5x3xf32>, %m: tensor<5xf32>) {
  // expected-error @+1 {{weight and bias must be (C) = 3, got 5}}
  %0, %1 = nn.layer_norm_weight_backward %x, %m, %m, %x : tensor<5x3xf32>, tensor<5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @attention_c1(%q: tensor<5x6xf32>) {
  // expected-error @+1 {{query 5x6 must be (batch, tokens, d)}}
  %0, %1 = nn.attention %q, %q, %q heads 2 : tensor<5x6xf32> -> tensor<5x2xf32>
  return
}

// -----

func.func @attention_c2(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{4 heads do not divide d = 6}}
  %0, %1 = nn.attention %q, %q, %q heads 4 : tensor<2x5x6xf32> -> tensor<2x4x5xf32>
  return
}

// -----

func.func @attention_c2_none(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{0 heads do not divide d = 6}}
  %0, %1 = nn.attention %q, %q, %q heads 0 : tensor<2x5x6xf32> -> tensor<2x0x5xf32>
  return
}

// -----

func.func @attention_c3(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{logsumexp must be (batch, heads, tokens) = 2x3x5, got 2x5x3}}
  %0, %1 = nn.attention %q, %q, %q heads 3 : tensor<2x5x6xf32> -> tensor<2x5x3xf32>
  return
}

// -----

func.func @attention_backward_c1(%q: tensor<5x6xf32>, %l: tensor<5x2xf32>) {
  // expected-error @+1 {{query 5x6 must be (batch, tokens, d)}}
  %0:3 = nn.attention_backward %q, %q, %q, %q, %l, %q heads 2 : tensor<5x6xf32>, tensor<5x2xf32>
  return
}

// -----

func.func @attention_backward_c2(%q: tensor<2x5x6xf32>, %l: tensor<2x4x5xf32>) {
  // expected-error @+1 {{4 heads do not divide d = 6}}
  %0:3 = nn.attention_backward %q, %q, %q, %q, %l, %q heads 4 : tensor<2x5x6xf32>, tensor<2x4x5xf32>
  return
}

// -----

func.func @attention_backward_c2_none(%q: tensor<2x5x6xf32>, %l: tensor<2x0x5xf32>) {
  // expected-error @+1 {{0 heads do not divide d = 6}}
  %0:3 = nn.attention_backward %q, %q, %q, %q, %l, %q heads 0 : tensor<2x5x6xf32>, tensor<2x0x5xf32>
  return
}

// -----

func.func @attention_backward_c3(%q: tensor<2x5x6xf32>, %l: tensor<2x5x3xf32>) {
  // expected-error @+1 {{logsumexp must be (batch, heads, tokens) = 2x3x5, got 2x5x3}}
  %0:3 = nn.attention_backward %q, %q, %q, %q, %l, %q heads 3 : tensor<2x5x6xf32>, tensor<2x5x3xf32>
  return
}

// -----

func.func @mean_tokens_c1(%x: tensor<2x5x3xf32>) {
  // expected-error @+1 {{tokens 2x5x3 and mean 5x3 must be (batch, tokens, d) and (batch, d)}}
  %0 = nn.mean_tokens %x : tensor<2x5x3xf32> -> tensor<5x3xf32>
  return
}

// -----

func.func @mean_tokens_c1_rank(%x: tensor<2x5xf32>) {
  // expected-error @+1 {{tokens 2x5 and mean 2 must be (batch, tokens, d) and (batch, d)}}
  %0 = nn.mean_tokens %x : tensor<2x5xf32> -> tensor<2xf32>
  return
}

// -----

func.func @mean_tokens_backward_c1(%g: tensor<2x3xf32>) {
  // expected-error @+1 {{tokens 2x3x5 and mean 2x3 must be (batch, tokens, d) and (batch, d)}}
  %0 = nn.mean_tokens_backward %g : tensor<2x3xf32> -> tensor<2x3x5xf32>
  return
}

// -----

func.func @dropout_c1(%x: tensor<2x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{rate must be in [0, 1), got 1.0}}
  %0 = nn.dropout %x, %c rate 1.0 stream 0 group 1 : tensor<2x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c1_negative(%x: tensor<2x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{rate must be in [0, 1), got -5.0}}
  %0 = nn.dropout %x, %c rate -0.5 stream 0 group 1 : tensor<2x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c2(%x: tensor<2x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{group = 2 does not divide the 15 elements of a sample}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 2 : tensor<2x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c2_two_samples(%x: tensor<2x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{group = 30 does not divide the 15 elements of a sample}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 30 : tensor<2x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c2_none(%x: tensor<2x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{group = 0 does not divide the 15 elements of a sample}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 0 : tensor<2x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c2_no_samples(%x: tensor<0x5x3xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{group = 2 does not divide the 15 elements of a sample}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 2 : tensor<0x5x3xf32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c2_rank_0(%x: tensor<f32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{input must have a dimension of samples}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 1 : tensor<f32>, tensor<16xf32>
  return
}

// -----

func.func @dropout_c3(%x: tensor<2x3xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{control must have 16 elements, got 8}}
  %0 = nn.dropout %x, %c rate 0.5 stream 0 group 1 : tensor<2x3xf32>, tensor<8xf32>
  return
}
