// Contractions on the processor's matrix unit.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// A part of a call's scratch, seen as float32 and as bfloat16; `place` counts float32 elements.
struct MatrixMemory {
  mlir::Value floats, halves;
  int64_t place = 0;
};

/// How much of it a contraction needs, in float32 elements; 0 for those without `matrix_unit`.
int64_t matrixScratch(kernel::ContractOp op);

/// As emitContract() and emitContractRows().
int64_t emitMatrixContract(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, mlir::Value call,
                           MatrixMemory memory);
void emitMatrixRows(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, const Panel &panel,
                    MatrixMemory memory);

} // namespace danaus::cpu
