// RUN: danaus-opt %s --nn-form-kernels --kernel-choose-tiles | FileCheck %s --check-prefix=WIDE
// RUN: danaus-opt %s --nn-form-kernels "--kernel-choose-tiles=vector-width=8 vector-registers=16" | FileCheck %s --check-prefix=NARROW
#x = affine_map<(t, o, i) -> (t, i)>
#w = affine_map<(t, o, i) -> (o, i)>
#y = affine_map<(t, o, i) -> (t, o)>

// 192 columns are 12 vectors of 16, in four slabs of three; 24 vectors of 8 go two by two or three by three.
// WIDE-LABEL: @wide
// WIDE: tile [8, 3, 16]
// NARROW-LABEL: @wide
// NARROW: tile [4, {{[23]}}, 16]
func.func @wide(%x: tensor<128x64xf32>, %w: tensor<192x64xf32>) -> tensor<128x192xf32> {
  %y = nn.contract %x, %w sizes [128, 192, 64] maps [#x, #w, #y] : tensor<128x64xf32>, tensor<192x64xf32> -> tensor<128x192xf32>
  return %y : tensor<128x192xf32>
}
// Ten columns are one vector: many rows hide the latency.
// WIDE-LABEL: @classes
// WIDE: tile [16, 1, 16]
func.func @classes(%x: tensor<128x64xf32>, %w: tensor<10x64xf32>) -> tensor<128x10xf32> {
  %y = nn.contract %x, %w sizes [128, 10, 64] maps [#x, #w, #y] : tensor<128x64xf32>, tensor<10x64xf32> -> tensor<128x10xf32>
  return %y : tensor<128x10xf32>
}
