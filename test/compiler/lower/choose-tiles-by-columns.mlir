// RUN: danaus-opt %s --kernel-choose-tiles | FileCheck %s --check-prefix=WIDE
// RUN: danaus-opt %s "--kernel-choose-tiles=vector-width=8 vector-registers=16" | FileCheck %s --check-prefix=NARROW
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// A product by columns has slabs of two vectors.
// WIDE-LABEL: @by_columns
// WIDE: tile [12, 2, 24] by_columns
// NARROW-LABEL: @by_columns
// NARROW: tile [4, {{[23]}}, 16] by_columns
func.func @by_columns(%x: tensor<128x784xf32>, %w: tensor<128x784xf32>) -> tensor<128x128xf32> {
  %y = kernel.contract %x, %w sizes [128, 128, 784] maps [#x, #w, #y] by_columns : (tensor<128x784xf32>, tensor<128x784xf32>) -> tensor<128x128xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return %y : tensor<128x128xf32>
}
