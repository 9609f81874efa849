// What may move into the epilogue of a contraction; used by kernel-fuse-epilogues.
#pragma once

#include "compiler/lower/Obstacle.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {

/// Why a row kernel cannot move into the contraction that makes its input of this number.
Obstacle obstacleToEpilogue(kernel::ContractOp contract, kernel::RowOp row, unsigned input);

} // namespace danaus
