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

plan.program @collective_c1 batch 4 {
  // expected-error @+1 {{of 0 elements at 4: needs at least one, at a multiple of 64}}
  plan.all_reduce 0 at 4 elements 0 "x"
}

// -----

plan.program @collective_c2 batch 4 {
  plan.all_reduce 0 at 0 elements 1 "x"
  // expected-error @+1 {{has the number 0, but 1 stand before it}}
  plan.all_reduce 0 at 64 elements 1 "y"
}

// -----

plan.program @wait_c1 batch 4 {
  // expected-error @+1 {{for number 0, which does not stand before it}}
  plan.wait 0
  plan.all_reduce 0 at 0 elements 1 "x"
}

// -----

plan.program @collective_c1_parts batch 4 {
  // expected-error @+1 {{of 24 elements: ranks have parts of whole 64 bytes}}
  plan.reduce_scatter 0 at 0 elements 24 "x"
}

// -----

plan.program @live_c1 batch 4 {
  // expected-error @+1 {{of 0 bytes at 64: needs at least one, at a multiple of 64}}
  plan.live "x" at 64 bytes 0 stages 0 to 1
}

// -----

plan.program @collective_c2_all_kinds batch 4 {
  plan.reduce_scatter 0 at 0 elements 16 "x"
  // expected-error @+1 {{has the number 0, but 1 stand before it}}
  plan.all_gather 0 at 0 elements 16 "y"
}

// -----

func.func private @k(tensor<4xf32>) -> tensor<4xf32>
plan.program @launch_c3 batch 4 {
  plan.stage {
    // expected-error @+1 {{needs a stride for each of its 2 offsets, a multiple of 64, not [64]}}
    plan.launch @k [64, 128] strides [64] "x" flops 0 bytes 0
  }
}

// -----

// expected-error @+1 {{"a to b" of 96 bytes a rank: needs positive bytes and offsets, multiples of 64}}
plan.shard "a to b" parameters 0 gradients 128 states [256] bytes 96

// -----

plan.program @live_c2 batch 4 {
  // expected-error @+1 {{from stage 2 to stage 1: stages count from 0, and the first comes first}}
  plan.live "x" at 64 bytes 4 stages 2 to 1
}
