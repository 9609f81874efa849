// The plan dialect's C++ face.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/plan/PlanDialect.h.inc"

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.h.inc"

namespace danaus::plan {

/// Attributes of a kernel function, set by kernel-plan.
inline constexpr llvm::StringLiteral KindAttr = "plan.kind", ///< "contract", "chain", ...
    TilesAttr = "plan.tiles",                                ///< calls of the kernel, i64
    ScratchAttr = "plan.scratch",        ///< bytes per call, i64 (set by the target)
    ArenaBytesAttr = "plan.arena_bytes"; ///< on the module, i64

/// Of a launch, i64: of its `flops` those of a matrix unit, where there are any, and the 16-bit
/// products that the unit makes for each of their multiplications, where they are more than one.
inline constexpr llvm::StringLiteral MatrixFlopsAttr = "matrix_flops",
                                     MatrixProductsAttr = "matrix_products";

/// What ranks do together with a range of the arena.
enum class CollectiveKind { AllReduce, ReduceScatter, AllGather };

struct Collective {
  CollectiveKind kind;
  int64_t number, offset, elements;
  llvm::StringRef label;
};

/// Nothing where the operation is none.
std::optional<Collective> collectiveOf(mlir::Operation *op);

} // namespace danaus::plan
