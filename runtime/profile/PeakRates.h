// What the units of this processor do at most, measured: loops that stay in registers, and copies
// of arrays of a given size. Knows nothing of kernels.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

/// Multiply-adds of float32 in vector registers, FLOP/s, a fused multiply-add counting two; of all
/// host threads of `device` together.
double measureFloat32Rate(Device &device);

/// Products of bfloat16 with float32 sums on the tiles of the matrix unit (AMX's TDPBF16PS), FLOP/s
/// of all host threads together; 0 where the processor has no such unit or Linux does not give it.
double measureMatrixRate(Device &device);

/// Operations of a round of multiplyTiles().
constexpr uint64_t TileRoundFlops = 2 * 16 * 16 * 32 * 6;

/// The loop of measureMatrixRate(), on this thread alone: independent products of tiles. Needs the
/// unit, and Linux's leave to use it (requestMatrixTiles()). The result means nothing.
float multiplyTiles(uint64_t rounds);

/// Copies between two arrays, bytes read and written a second, of all host threads together.
/// `arrayBytes`: of each of the two arrays of a thread; `copiedBytes`: how much a thread copies at
/// least for one reading of the clock.
double measureCopyRate(Device &device, size_t arrayBytes, size_t copiedBytes);

} // namespace danaus
