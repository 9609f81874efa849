// Attention on the matrix unit (kernel.attention and kernel.attention_backward with `matrix_unit`):
// every product is one of tiles of bfloat16; sums and the softmax are float32.
#pragma once

#include "compiler/target/cpu/AttentionEmitter.h"
#include "compiler/target/cpu/EmitTileProduct.h"

namespace danaus::cpu {

int64_t emitTileAttention(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, mlir::Value call,
                          MatrixMemory memory);
int64_t emitTileAttentionBackward(Emitter &e, kernel::AttentionBackwardOp op, ViewOf viewOf,
                                  mlir::Value call, MatrixMemory memory);
/// Float32 elements of a call's scratch.
int64_t tileAttentionScratch(kernel::AttentionOp op);
int64_t tileAttentionScratch(kernel::AttentionBackwardOp op);

/// Sizes in tiles, and places of tiled operands in a call's scratch.
struct TileLayout : ScratchLayout {
  template <typename Op>
  explicit TileLayout(Op op)
      : ScratchLayout(), queries(llvm::alignTo((*op.getTile())[0], BlockRows)),
        keys(llvm::alignTo((*op.getTile())[1], BlockRows)),
        paddedHead(llvm::alignTo(op.getHeadSize(), MatrixTile)),
        headDepths(llvm::divideCeil(op.getHeadSize(), MatrixDepth)), config(take(16)) {}

  /// An operand of `size` rows (of a lhs) or columns.
  TiledOperand takeTiles(int64_t size, int64_t depths) {
    int64_t tiles = llvm::divideCeil(size, MatrixTile);
    return {take(tiles * depths * TileProducts::tileElements), depths};
  }

  int64_t queries, keys, paddedHead, headDepths;
  int64_t config; ///< of the unit
};

} // namespace danaus::cpu
