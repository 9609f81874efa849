// Contractions of float32 on the processor's matrix unit, in products of bfloat16.
#pragma once

#include "compiler/target/cpu/EmitMatrix.h"

namespace danaus::cpu {

/// How much scratch a contraction that splits its operands needs, in float32 elements.
int64_t splitScratch(kernel::ContractOp op);

/// As emitContract() and emitContractRows().
int64_t emitSplitContract(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, mlir::Value call,
                          MatrixMemory memory);
void emitSplitRows(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf, const Panel &panel,
                   MatrixMemory memory);

} // namespace danaus::cpu
