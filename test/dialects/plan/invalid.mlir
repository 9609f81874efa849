// RUN: danaus-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{'x' lies at 60, not at a multiple of 64}}
plan.buffer "x" "input" tensor<4xf32> at 60

// -----

plan.program @launch_c1 batch 4 {
  plan.stage {
    // expected-error @+1 {{kernel @missing does not exist}}
    plan.launch @missing [64] "x" flops 0 bytes 0
  }
}

// -----

func.func private @k(tensor<4xf32>) -> tensor<4xf32>
plan.program @launch_c2 batch 4 {
  plan.stage {
    // expected-error @+1 {{gives 1 offsets; @k needs 2}}
    plan.launch @k [64] "x" flops 0 bytes 0
  }
}
