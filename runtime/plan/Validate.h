// What a model table must say beyond being a well-formed FlatBuffer, so that the runtime can use
// its offsets, indices and numbers without looking at them again. Knows the schema, not the file.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/plan/model_generated.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace danaus {

/// Whether the container has a section with this id that holds this: code for a target ("cpu",
/// "cuda"), or "fusion".
using HasSection = std::function<bool(uint32_t id, std::string_view content)>;

/// Checks a table that passed the FlatBuffers verifier. The message of the error
/// (CheckpointInvalid) says where in the table and what; the caller adds the file and what to do.
Status validateModel(const fb::Model &model, const HasSection &hasSection);

/// Number of state tensors per parameter: sgd 0, sgd with momentum 1, adam and adamw 2, and behind
/// them the moving average (training.ema) if there is one.
uint32_t stateCount(const fb::Model &model);

/// Product of the extents, times the size of an element; empty when it overflows 64 bits.
std::optional<uint64_t> byteSize(const flatbuffers::Vector<uint64_t> &shape, fb::DType type);

} // namespace danaus
