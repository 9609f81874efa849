// The checks of one phase's plan for one target. Private to this room; Validate.h is its door.
#pragma once

#include "runtime/plan/Validate.h"

namespace danaus {

/// CheckpointInvalid with this text.
Error invalidModel(const std::string &what);

/// Everything in `plan` that the executor and the device use unchecked: places, buffers, kernels,
/// launches. Parameters and input shape of `phase` and `model` have been checked.
Status validatePlan(const fb::Model &model, const fb::Phase &phase, const fb::TargetPlan &plan,
                    const HasSection &hasSection);

} // namespace danaus
