// RUN: danaus-opt %s --nn-form-kernels --kernel-fuse-epilogues --verify-diagnostics
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

func.func @norm(%x: tensor<4x8xf32>, %w: tensor<3x8xf32>, %g: tensor<3xf32>, %b: tensor<3xf32>) -> tensor<4x3xf32> {
  %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
  // expected-remark @+1 {{no epilogue of the contraction before it: needs whole rows of the product}}
  %n, %m, %r = nn.layer_norm %y, %g, %b epsilon 1.0e-6 : tensor<4x3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<4xf32>
  return %n : tensor<4x3xf32>
}
