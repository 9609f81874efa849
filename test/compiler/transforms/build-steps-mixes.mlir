// RUN: danaus-opt %s --nn-build-steps | FileCheck %s
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// A step trains on mixed labels and evaluates on the first; parameters stand behind the mixture.
// CHECK-LABEL: func.func @train_step
// CHECK: nn.cross_entropy_loss %{{.*}}, %arg1, %arg2 mix %arg3, %arg4 :
// CHECK: nn.cross_entropy_backward %{{.*}}, %arg1, %arg2 mix %arg3, %arg4 :
// CHECK: nn.sgd_step %arg5
// CHECK-LABEL: func.func @eval_step
// CHECK-NOT: mix
// CHECK: nn.cross_entropy_loss %{{.*}}, %arg1, %arg2 smoothing
module attributes {nn.optimizer = {kind = "sgd"}, nn.mixes} {
  func.func @forward(%x: tensor<4x8xf32>, %l: tensor<4xi32>, %c: tensor<16xf32>, %l2: tensor<4xi32>, %wt: tensor<4xf32>,
                     %w: tensor<3x8xf32> {nn.name = "w", nn.role = "parameter"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>) {
    %y = nn.contract %x, %w sizes [4, 3, 8] maps [#x, #w, #y] : tensor<4x8xf32>, tensor<3x8xf32> -> tensor<4x3xf32>
    %loss, %hit = nn.cross_entropy_loss %y, %l, %c mix %l2, %wt : tensor<4xi32>, tensor<4xf32> smoothing 0.0 : tensor<4x3xf32>, tensor<4xi32>, tensor<16xf32> -> tensor<4xf32>, tensor<4xf32>
    return %loss, %hit, %y : tensor<4xf32>, tensor<4xf32>, tensor<4x3xf32>
  }
}
