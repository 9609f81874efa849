// RUN: danaus-opt %s --kernel-plan --split-input-file --verify-diagnostics

// expected-error @+1 {{needs @eval_step and @train_step, or instead of this @gradient_step and @update_step}}
module {}

// -----

// expected-error @+1 {{needs @eval_step and @train_step, or instead of this @gradient_step and @update_step}}
module {
  func.func private @eval_step()
  func.func private @gradient_step()
}
