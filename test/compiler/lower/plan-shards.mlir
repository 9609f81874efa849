// RUN: danaus-opt %s --kernel-plan | FileCheck %s
#rc = affine_map<(r, c) -> (r, c)>
#brc = affine_map<(b, r, c) -> (r, c)>
#bc = affine_map<(b, r, c) -> (c)>
module attributes {nn.shards = 4 : i64} {
// Four ranks share the update. The two tensors that decay and the one that does not are updated by kernels of their own: a
// run of each is cut into four parts of whole cache lines, 40 elements and 16 into 256 bytes, 16 elements into as many. Of the
// momentum a rank holds a part.
// CHECK: plan.shard "a to b" parameters 0 gradients 512 states [1024] bytes 64
// CHECK-NEXT: plan.shard "c" parameters 256 gradients 768 states [1088] bytes 64
// CHECK-NOT: "state"
// CHECK: plan.program @train_step
// CHECK: plan.reduce_scatter 0 at 512 elements 64 "a.gradient to b.gradient"
// CHECK-NEXT: plan.reduce_scatter 1 at 768 elements 64 "c.gradient"
// CHECK-NEXT: plan.wait 1
// The norm of a rank's parts, one set of partial sums for each run; they are added up over the ranks before they are used.
// CHECK-NEXT: plan.stage
// CHECK-NEXT: plan.launch @square_norm_0 [512, [[SUMS:[0-9]+]]] strides [64, 0] "square_norm 1/4 of a to b"
// CHECK-NEXT: plan.launch @square_norm_0 [768, {{[0-9]+}}] strides [64, 0] "square_norm 1/4 of c"
// CHECK: plan.all_reduce 2 at [[SUMS]] elements 16 "square norms"
// CHECK-NEXT: plan.wait 2
// CHECK: plan.launch @metrics_0
// CHECK: plan.all_reduce 3 at {{[0-9]+}} elements 2 "loss and hits"
// CHECK-NEXT: plan.wait 3
// CHECK-NEXT: plan.stage
// Parameters and gradients are another part on each rank, states are at the same place on all.
// CHECK-NEXT: plan.launch @update_0 [0, 512, 1024, {{[0-9]+, [0-9]+}}, 0, 1024] strides [64, 64, 0, 0, 0, 64, 0] "update 1/4 of a to b"
// CHECK-NEXT: plan.launch @update_1 [256, 768, 1088, {{[0-9]+, [0-9]+}}, 256, 1088] strides [64, 64, 0, 0, 0, 64, 0] "update 1/4 of c"
// CHECK: plan.all_gather 4 at 0 elements 64 "a to b"
// CHECK-NEXT: plan.all_gather 5 at 256 elements 64 "c"
// CHECK-NEXT: plan.wait 5
// CHECK-NEXT: }
// CHECK: plan.program @eval_step
// CHECK-NOT: plan.all_gather
// CHECK: func.func private @square_norm_0(%{{.*}}: tensor<16xf32>) -> tensor<8xf32>
// CHECK: func.func private @metrics_0({{.*}}tensor<16xf32>{{.*}}) -> tensor<16xf32>
// CHECK: func.func private @update_0(%{{.*}}: tensor<16xf32>, %{{.*}}: tensor<16xf32>, %{{.*}}: tensor<16xf32>
func.func @train_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %l: tensor<4xf32> {nn.name = "l", nn.role = "label"},
    %c: tensor<16xf32> {nn.name = "control", nn.role = "control"}, %a: tensor<40xf32> {nn.name = "a", nn.role = "parameter"},
    %b: tensor<16xf32> {nn.name = "b", nn.role = "parameter"}, %d: tensor<16xf32> {nn.name = "c", nn.role = "parameter"},
    %ma: tensor<40xf32> {nn.name = "a.momentum", nn.role = "state"}, %mb: tensor<16xf32> {nn.name = "b.momentum", nn.role = "state"},
    %mc: tensor<16xf32> {nn.name = "c.momentum", nn.role = "state"})
    -> (tensor<40xf32>, tensor<16xf32>, tensor<16xf32>, tensor<40xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %ga = kernel.row %a sizes [1, 40] maps [affine_map<(r, c) -> (c)>, affine_map<(r, c) -> (c)>] rows 1 : (tensor<40xf32>) -> tensor<40xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %gb = kernel.reduce %x sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  %gc = kernel.reduce %x sizes [1, 4, 16] maps [#brc, #bc] : (tensor<4x16xf32>) -> tensor<16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %n = kernel.square_norm %ga, %gb, %gc : tensor<40xf32>, tensor<16xf32>, tensor<16xf32> -> tensor<8xf32>
  %s = kernel.metrics %l, %l, %c norm %n : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>, tensor<8xf32>) -> tensor<16xf32>
  %u:4 = kernel.update parameters(%a, %b) gradients(%ga, %gb) states(%ma, %mb) %c [0], %s [0] : (tensor<40xf32>, tensor<16xf32>, tensor<40xf32>, tensor<16xf32>, tensor<40xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<40xf32>, tensor<16xf32>, tensor<40xf32>, tensor<16xf32>) {
  ^bb0(%p: f32, %g: f32, %m: f32, %lr: f32, %loss: f32):
    %q = arith.subf %p, %g : f32
    kernel.yield %q, %m : f32, f32
  }
  %w:2 = kernel.update parameters(%d) gradients(%gc) states(%mc) %c [0], %s [0] : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  ^bb0(%p: f32, %g: f32, %m: f32, %lr: f32, %loss: f32):
    %q = arith.addf %p, %g : f32
    kernel.yield %q, %m : f32, f32
  }
  return %u#0, %u#1, %w#0, %u#2, %u#3, %w#1, %s : tensor<40xf32>, tensor<16xf32>, tensor<16xf32>, tensor<40xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>
}
func.func @eval_step(%x: tensor<4x16xf32> {nn.name = "input", nn.role = "input"}, %l: tensor<4xf32> {nn.name = "l", nn.role = "label"},
    %c: tensor<16xf32> {nn.name = "control", nn.role = "control"}, %a: tensor<40xf32> {nn.name = "a", nn.role = "parameter"},
    %b: tensor<16xf32> {nn.name = "b", nn.role = "parameter"}, %d: tensor<16xf32> {nn.name = "c", nn.role = "parameter"}) -> (tensor<16xf32>, tensor<4x16xf32>) {
  %y = kernel.row %x sizes [4, 16] maps [#rc, #rc] rows 16 : (tensor<4x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%v: f32):
    %w = arith.addf %v, %v : f32
    kernel.yield %w : f32
  }
  %s = kernel.metrics %l, %l, %c : (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %s, %y : tensor<16xf32>, tensor<4x16xf32>
}
}
