// A gap of FlatBuffers' verifier: it checks that the length of a vector is aligned, not that its
// 8-byte elements are. Private to this room.
#pragma once

#include "runtime/plan/model_generated.h"

namespace danaus {

/// Whether the elements of every [ulong] of the schema are aligned. Must come before any of them
/// is read, and must know every such field of model.fbs.
bool vectorsAreAligned(const fb::Model &model);

} // namespace danaus
