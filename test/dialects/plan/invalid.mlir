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

// -----

plan.program @all_reduce_c1 batch 4 {
  // expected-error @+1 {{of 0 elements at 4: needs at least one, at a multiple of 64}}
  plan.all_reduce 0 at 4 elements 0 "x"
}

// -----

plan.program @all_reduce_c2 batch 4 {
  plan.all_reduce 0 at 0 elements 1 "x"
  // expected-error @+1 {{has the number 0, but 1 stand before it}}
  plan.all_reduce 0 at 64 elements 1 "y"
}

// -----

plan.program @wait_c1 batch 4 {
  // expected-error @+1 {{for all_reduce 0, which does not stand before it}}
  plan.wait 0
  plan.all_reduce 0 at 0 elements 1 "x"
}
