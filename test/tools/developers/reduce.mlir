// danaus-reduce cuts a function down to the operation that a script looks for.
// RUN: danaus-reduce %s -reduction-tree='traversal-mode=0 test=%S/interesting.sh' | FileCheck %s
// CHECK-NOT: @boring
// CHECK: nn.gelu
func.func @boring(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = nn.relu %x : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @interesting(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = nn.gelu %x : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
