// RUN: danaus-opt %s --kernel-plan | FileCheck %s
// RUN: danaus-opt %s --kernel-plan=gpu=true | FileCheck %s --check-prefix=GPU
#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>
module {
// On a CPU an update is cut before each large parameter, and a small one belongs to what is before it; equal parts share a
// kernel. On a GPU it is one launch.
// CHECK: plan.launch @update_0 [0, 65664, 131328, [[C:[0-9]+]], [[M:[0-9]+]], 0, 131328] "update a to b"
// CHECK-NEXT: plan.launch @update_0 [32832, 98496, 164160, [[C]], [[M]], 32832, 164160] "update c to d"
// CHECK-NEXT: {{^ *}$}}
// CHECK: func.func private @update_0({{.*}}tensor<8208xf32>, {{.*}}tensor<8208xf32>, {{.*}}tensor<8208xf32>
// GPU: plan.launch @update_0 [0, 65664, 131328, {{[0-9]+, [0-9]+}}, 0, 131328] "update 4 parameters"
// GPU-NEXT: {{^ *}$}}
// GPU: func.func private @update_0({{.*}}tensor<16416xf32>, {{.*}}tensor<16416xf32>
func.func @train_step(%x: tensor<4x8192xf32> {nn.name = "input", nn.role = "input"}, %y: tensor<4x16xf32> {nn.name = "y", nn.role = "input"},
    %l: tensor<4xf32> {nn.name = "l", nn.role = "label"}, %c: tensor<16xf32> {nn.name = "control", nn.role = "control"},
    %p0: tensor<8192xf32> {nn.name = "a", nn.role = "parameter"}, %p1: tensor<16xf32> {nn.name = "b", nn.role = "parameter"},
    %p2: tensor<8192xf32> {nn.name = "c", nn.role = "parameter"}, %p3: tensor<16xf32> {nn.name = "d", nn.role = "parameter"},
    %m0: tensor<8192xf32> {nn.name = "a.m", nn.role = "state"}, %m1: tensor<16xf32> {nn.name = "b.m", nn.role = "state"},
    %m2: tensor<8192xf32> {nn.name = "c.m", nn.role = "state"}, %m3: tensor<16xf32> {nn.name = "d.m", nn.role = "state"})
    -> (tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<16xf32>) {
  %g0 = kernel.reduce %x sizes [1, 4, 8192] maps [#brc, #bc] : (tensor<4x8192xf32>) -> tensor<8192xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %g1 = kernel.reduce %y sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %g2 = kernel.reduce %x sizes [1, 4, 8192] maps [#brc, #bc] : (tensor<4x8192xf32>) -> tensor<8192xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %g3 = kernel.reduce %y sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %s = kernel.metrics %l, %l, %c : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<16xf32>
  %u:8 = kernel.update parameters(%p0, %p1, %p2, %p3) gradients(%g0, %g1, %g2, %g3) states(%m0, %m1, %m2, %m3) %c [0], %s [0]
    : (tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>,
       tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>)
    -> (tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>) {
  ^bb0(%p: f32, %g: f32, %m: f32, %lr: f32, %loss: f32):
    %q = arith.subf %p, %g : f32
    kernel.yield %q, %m : f32, f32
  }
  return %u#0, %u#1, %u#2, %u#3, %u#4, %u#5, %u#6, %u#7, %s : tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<8192xf32>,
    tensor<16xf32>, tensor<8192xf32>, tensor<16xf32>, tensor<16xf32>
}
func.func @eval_step(%x: tensor<4x8192xf32> {nn.name = "input", nn.role = "input"}, %y: tensor<4x16xf32> {nn.name = "y", nn.role = "input"},
    %l: tensor<4xf32> {nn.name = "l", nn.role = "label"}, %c: tensor<16xf32> {nn.name = "control", nn.role = "control"},
    %p0: tensor<8192xf32> {nn.name = "a", nn.role = "parameter"}, %p1: tensor<16xf32> {nn.name = "b", nn.role = "parameter"},
    %p2: tensor<8192xf32> {nn.name = "c", nn.role = "parameter"}, %p3: tensor<16xf32> {nn.name = "d", nn.role = "parameter"}) -> (tensor<16xf32>, tensor<4x8192xf32>) {
  %z = kernel.row %x sizes [4, 8192] maps [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r, c)>] rows 4 : (tensor<4x8192xf32>) -> tensor<4x8192xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %s = kernel.metrics %l, %l, %c : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %s, %z : tensor<16xf32>, tensor<4x8192xf32>
}
}
