// RUN: danaus-opt %s --cpu-expand-math | FileCheck %s --check-prefixes=CHECK,AVX512 '--implicit-check-not=math.{{(log|tanh|erf)}}'
// RUN: danaus-opt %s --cpu-expand-math=isa=avx2 | FileCheck %s --check-prefixes=CHECK,FMA '--implicit-check-not=math.{{(log|tanh|erf)}}'
// RUN: danaus-opt %s --cpu-expand-math=isa=baseline | FileCheck %s --check-prefixes=CHECK,BASELINE '--implicit-check-not=math.{{(log|tanh|erf|fma)}}'
// RUN: not danaus-opt %s --cpu-expand-math=isa=sse9 2>&1 | FileCheck %s --check-prefix=ERROR
// ERROR: unknown instruction set 'sse9'; use avx512, avx2 or baseline

// Nothing of the functions remains, and without FMA none is asked for: libm would have to do it
// (--implicit-check-not).

// A power of two scales in one instruction, or as two factors made of exponent bits.
// CHECK-LABEL: @exp
// AVX512-COUNT-8: math.fma
// AVX512: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// FMA: arith.shrsi
// FMA-COUNT-2: arith.shli
// BASELINE-COUNT-2: arith.shli
func.func @exp(%x: vector<16xf32>) -> vector<16xf32> {
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}
// Pieces whose coefficients are in a register, or two ranges.
// CHECK-LABEL: @erf
// AVX512-COUNT-6: llvm.x86.avx2.permps
// FMA-COUNT-6: llvm.x86.avx2.permps
// BASELINE-NOT: llvm.
// CHECK: math.copysign
func.func @erf(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.erf %x : vector<8xf32>
  return %y : vector<8xf32>
}
// CHECK-LABEL: @tanh
// CHECK: arith.divf
// CHECK: math.copysign
func.func @tanh(%x: f32) -> f32 {
  %y = math.tanh %x : f32
  return %y : f32
}
// CHECK-LABEL: @log
// CHECK: arith.sitofp
func.func @log(%x: vector<4xf32>) -> vector<4xf32> {
  %y = math.log %x : vector<4xf32>
  return %y : vector<4xf32>
}
// Other types are left alone.
// CHECK-LABEL: @other
// CHECK: math.exp {{.*}} f64
func.func @other(%x: f64) -> f64 {
  %y = math.exp %x : f64
  return %y : f64
}
