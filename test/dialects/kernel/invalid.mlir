// RUN: danaus-opt %s --split-input-file --verify-diagnostics
#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

func.func @contract_c1(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) {
  // expected-error @+1 {{expects 3 maps, got 2}}
  %y = kernel.contract %x, %w sizes [4, 3, 8] maps [#mk, #nk] : (tensor<4x8xf32>, tensor<3x8xf32>) -> tensor<4x3xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
func.func @contract_c2(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) {
  // expected-error @+1 {{sizes must hold (batch..., M, N, K), got [4, 3]}}
  %y = kernel.contract %x, %w sizes [4, 3] maps [#mk, #mk, #mk] : (tensor<4x8xf32>, tensor<3x8xf32>) -> tensor<4x3xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>
func.func @contract_c3(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) {
  // expected-error @+1 {{region takes 2 values and yields 1, expected 1 and 1}}
  %y = kernel.contract %x, %w sizes [4, 3, 8] maps [#mk, #nk, #mn] : (tensor<4x8xf32>, tensor<3x8xf32>) -> tensor<4x3xf32> {
  ^bb0(%sum: f32, %more: f32):
    kernel.yield %sum : f32
  }
  return
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>
func.func @contract_c4(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>) {
  // expected-error @+1 {{lhs depends on N other than through mod}}
  %y = kernel.contract %w, %x sizes [4, 3, 8] maps [#nk, #mk, #mn] : (tensor<3x8xf32>, tensor<4x8xf32>) -> tensor<4x3xf32> {
  ^bb0(%sum: f32):
    kernel.yield %sum : f32
  }
  return
}

// -----

#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>
func.func @reduce_c1(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 2 maps, got 1}}
  %s = kernel.reduce %x sizes [1, 4, 8] maps [#brc] : (tensor<4x8xf32>) -> tensor<8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>
func.func @reduce_c2(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{region takes 2 values and yields 1, expected 1 and 1}}
  %s = kernel.reduce %x sizes [1, 4, 8] maps [#brc, #bc] : (tensor<4x8xf32>) -> tensor<8xf32> {
  ^bb0(%v: f32, %w: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

#rc = affine_map<(r, c) -> (r, c)>
func.func @reduce_c3(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{sizes must be [batch, rows, columns], got [4, 8]}}
  %s = kernel.reduce %x sizes [4, 8] maps [#rc, #rc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

#brc = affine_map<(b, r, c) -> (r, c)>
func.func @reduce_c4(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result 0 depends on the row}}
  %s = kernel.reduce %x sizes [1, 4, 8] maps [#brc, #brc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

func.func @attention_c1(%q: tensor<5x6xf32>) {
  // expected-error @+1 {{query must be (batch, tokens, d)}}
  %o, %s = kernel.attention %q, %q, %q heads 3 : (tensor<5x6xf32>, tensor<5x6xf32>, tensor<5x6xf32>) -> (tensor<5x6xf32>, tensor<5x3x5xf32>)
  return
}

// -----

func.func @attention_c2(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{4 heads do not divide d = 6}}
  %o, %s = kernel.attention %q, %q, %q heads 4 : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>) -> (tensor<2x5x6xf32>, tensor<2x4x5xf32>)
  return
}

// -----

func.func @attention_backward_c3(%q: tensor<2x5x6xf32>, %l: tensor<2x5x3xf32>) {
  // expected-error @+1 {{logsumexp must be (batch, heads, tokens)}}
  %d:3 = kernel.attention_backward %q, %q, %q, %q, %l, %q heads 3
      : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x3xf32>, tensor<2x5x6xf32>)
      -> (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>)
  return
}

// -----

func.func @attention_c4(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{tile must be [queries, keys], got [2]}}
  %o, %s = kernel.attention %q, %q, %q heads 3 tile [2] : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>) -> (tensor<2x5x6xf32>, tensor<2x3x5xf32>)
  return
}

// -----

func.func @attention_c5(%q: tensor<2x5x6xf32>) {
  // expected-error @+1 {{the matrix unit multiplies bf16: products must be bf16}}
  %o, %s = kernel.attention %q, %q, %q heads 3 products f16 matrix_unit : (tensor<2x5x6xf32>, tensor<2x5x6xf32>, tensor<2x5x6xf32>) -> (tensor<2x5x6xf32>, tensor<2x3x5xf32>)
  return
}

// -----

func.func @copy_c1(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{map must go from 2 to 2 dimensions}}
  %s = kernel.copy %x map affine_map<(i) -> (i)> : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

#rc = affine_map<(r, c) -> (r, c)>
func.func @chain_c1(%x: tensor<4x8xf32>, %z: tensor<5x8xf32>) {
  // expected-error @+1 {{runs over 4 rows; 'kernel.row' in it does not}}
  %y = kernel.chain : tensor<4x8xf32> {
    %a = kernel.row %x sizes [4, 8] maps [#rc, #rc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    %b = kernel.row %z sizes [5, 8] maps [#rc, #rc] : (tensor<5x8xf32>) -> tensor<5x8xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    kernel.yield %a : tensor<4x8xf32>
  }
  return
}

// -----

#rc = affine_map<(r, c) -> (r, c)>
func.func @chain_c3(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{streams result 0, which its body reads}}
  %y:2 = kernel.chain streamed [0] : tensor<4x8xf32>, tensor<4x8xf32> {
    %a = kernel.row %x sizes [4, 8] maps [#rc, #rc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    %b = kernel.row %a sizes [4, 8] maps [#rc, #rc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    kernel.yield %a, %b : tensor<4x8xf32>, tensor<4x8xf32>
  }
  return
}

// -----

#rc = affine_map<(r, c) -> (r, c)>
func.func @chain_c3_number(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{streams result 1 of 1}}
  %y = kernel.chain streamed [1] : tensor<4x8xf32> {
    %a = kernel.row %x sizes [4, 8] maps [#rc, #rc] : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    kernel.yield %a : tensor<4x8xf32>
  }
  return
}

// -----

func.func @pack_c1(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{map must go from 2 to 2 dimensions}}
  %p = kernel.pack rows %x sizes [4, 8] group 1 map affine_map<(c, k) -> (c)> : tensor<4x8xf32> -> tensor<16x32xbf16>
  return
}

// -----

func.func @pack_c2(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{sizes must hold (batch..., C, K), got [4]}}
  %p = kernel.pack rows %x sizes [4] group 1 map affine_map<(c) -> (c, c)> : tensor<4x8xf32> -> tensor<16x32xbf16>
  return
}

// -----

func.func @pack_c3(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result must be 'tensor<16x32xbf16>'}}
  %p = kernel.pack rows %x sizes [4, 8] group 1 map affine_map<(c, k) -> (c, k)> : tensor<4x8xf32> -> tensor<4x8xbf16>
  return
}

// -----

func.func @pack_c4(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{cannot pack rows in groups of 2}}
  %p = kernel.pack rows %x sizes [4, 8] group 2 map affine_map<(c, k) -> (c, k)> : tensor<4x8xf32> -> tensor<16x32xbf16>
  return
}

// -----

func.func @pack_c5(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{terms are 3, of float32, in pairs}}
  %p = kernel.pack rows %x sizes [4, 8] group 1 terms 3 map affine_map<(c, k) -> (c, k)> : tensor<4x8xf32> -> tensor<16x32xbf16>
  return
}
