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

func.func @reduce_c1(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{sizes [4, 7] do not fit 32 elements reduced to 8}}
  %s = kernel.reduce %x sizes [4, 7] : tensor<4x8xf32> -> tensor<8xf32>
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
