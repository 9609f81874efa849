// The tools that tests use are on the PATH, and %models and %oracle name folders.
// RUN: mlir-opt %s --split-input-file | FileCheck %s
// RUN: not mlir-opt %s --no-such-option
// RUN: split-file %s %t && cat %t/lines | count 1
// RUN: ls %models/mnist_mlp.yaml %oracle/mlp/spec.yaml

// CHECK-LABEL: func.func @kept
func.func @kept(%arg0: f32) -> f32 {
  return %arg0 : f32
}

//--- lines
// one
