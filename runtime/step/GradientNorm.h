// The length of the gradient, for logs. Where the compiled program needs it (clipping, float16) it
// computes it; elsewhere it is computed here from what an update left in the arena, and only at
// steps that are logged: no program is another for it.
#pragma once

#include "runtime/exec/Executor.h"

#include <optional>

namespace danaus {

/// What it may cost. Logged: reading the gradients where the host sees them. EndOfEpoch: also
/// copying them from a device, and a sum over the ranks that share updates, which all of them call.
enum class NormCost { Logged, EndOfEpoch };

/// L2 norm of the whole gradient of the update that ran last, before clipping and without the loss
/// scale. Nothing where it would cost more than it may, where float16 overflowed, and on ranks
/// other than the first, which log nothing. The same bits for any number of threads. Errors are
/// those of sums over ranks.
Expected<std::optional<float>> gradientNorm(Executor &executor, NormCost cost);

} // namespace danaus
