// Contractions on the processor's matrix unit.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// How much scratch a contraction needs, in float32 elements; 0 for those without `matrix_unit`.
int64_t matrixScratch(kernel::ContractOp op);

/// As emitContract() and emitContractRows().
int64_t emitMatrixContract(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, mlir::Value call,
                           MatrixMemory memory);
void emitMatrixRows(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, const Panel &panel,
                    MatrixMemory memory);

} // namespace danaus::cpu
