// See BlockCost.h. The constants describe an A100; others differ little in the ratios that matter.
#include "compiler/lower/BlockCost.h"

#include "compiler/lower/Layout.h"

using namespace mlir;
using namespace danaus;

namespace {

constexpr int64_t KStep = 8;           ///< of the template, device/contract.cuh
constexpr int64_t MmaKStep = 32;       ///< of the template, device/contract_mma.cuh
constexpr double MmaPerCycle = 1024;   ///< products of bfloat16 of a multiprocessor
constexpr double LaunchCycles = 3000;  ///< between dependent kernels of a graph, about 2 us
constexpr double BytesPerCycle = 1100; ///< of memory, all multiprocessors together
constexpr double StepLatency = 80;     ///< of a step of K that does not fill the multipliers
constexpr double Overhead = 1.15;      ///< instructions beside multiplications
constexpr double NotOverlapped = 0.25; ///< of the shorter of computing and moving

/// Of one k of a tile: 4 warps multiply at a time, and shared memory gives 128 bytes at a time;
/// rows are read once for a warp, four at a time, columns by each thread.
double cyclesOfK(WarpShares shares) {
  double multiply = double(WarpShares::Warps * shares.tm * shares.tn) / 4;
  double read = double(WarpShares::Warps * (llvm::divideCeil(shares.tm, 4) + shares.tn));
  return Overhead * std::max(multiply, read);
}

/// Of one k of a tile on tensor cores: 16 x 16 elements of an operand are 512 bytes.
double cyclesOfMmaK(WarpShares shares, BlockTile tile) {
  double multiply = double(tile.bm * tile.bn) / MmaPerCycle;
  double read = double(WarpShares::Warps * 4 * (shares.tm + shares.tn / 2)) / 16;
  return Overhead * std::max(multiply, read);
}

/// Of one block for one tile.
double cyclesOf(kernel::ContractOp op, BlockTile tile) {
  bool mma = usesTensorCores(op);
  WarpShares shares(tile, mma);
  int64_t kStep = mma ? MmaKStep : KStep;
  double steps = double(llvm::divideCeil(op.getSizes()[op.getK()], kStep));
  double step = double(kStep) * (mma ? cyclesOfMmaK(shares, tile) : cyclesOfK(shares));
  return steps * std::max(StepLatency, step) + 300 + double(tile.bm * tile.bn) / 64;
}

/// As in device/contract.cuh.
int64_t lhsRow(int64_t rows, int64_t group) {
  int64_t step = group < 8 ? 4 * group : 4;
  while (rows % step != 0 || rows / step % 2 == 0)
    rows += 4;
  return rows;
}

int64_t batchesOf(kernel::ContractOp op) { return llvm::product_of(op.getSizes().drop_back(3)); }

int64_t columnTiles(kernel::ContractOp op, BlockTile tile) {
  return llvm::divideCeil(op.getSizes()[op.getN()], tile.bn);
}

/// How often all multiprocessors are filled: several blocks share one, so that shares of a last
/// round count as such.
double rounds(int64_t blocks, const GpuShape &gpu) {
  return std::max(1.0, double(blocks) / double(gpu.multiprocessors));
}

/// What a launch moves between memory and the multiprocessors at least.
double trafficOf(ArrayRef<kernel::ContractOp> ops) {
  llvm::SetVector<Value> read, made;
  for (kernel::ContractOp op : ops) {
    read.insert(op->operand_begin(), op->operand_end());
    made.insert(op->result_begin(), op->result_end());
  }
  double bytes = 0;
  for (Value value : read)
    if (!made.contains(value))
      bytes += double(bytesOf(value.getType()));
  auto isMember = [&](Operation *user) {
    return llvm::is_contained(ops, dyn_cast<kernel::ContractOp>(user));
  };
  for (Value value : made)
    if (!llvm::all_of(value.getUsers(), isMember) || value.use_empty())
      bytes += double(bytesOf(value.getType()));
  return bytes;
}

/// Bytes of a block's rows of the values that the chain makes and reads.
int64_t scratchBytesOf(ArrayRef<kernel::ContractOp> ops, int64_t rows) {
  int64_t bytes = 0;
  for (Value value : scratchValues(ops))
    bytes += scratchBytes(value, rows);
  return bytes;
}

} // namespace

llvm::SetVector<Value> danaus::scratchValues(ArrayRef<kernel::ContractOp> ops) {
  llvm::SetVector<Value> inside;
  for (kernel::ContractOp op : ops)
    for (Value operand : op->getOperands())
      if (auto maker = operand.getDefiningOp<kernel::ContractOp>(); llvm::is_contained(ops, maker))
        inside.insert(operand);
  return inside;
}

bool danaus::usesTensorCores(kernel::ContractOp op) {
  auto isBf16 = [](Value v) {
    return cast<RankedTensorType>(v.getType()).getElementType().isBF16();
  };
  return isBf16(op.getLhs()) && isBf16(op.getRhs());
}

WarpShares::WarpShares(BlockTile tile, bool tensorCores) {
  if (!tensorCores) {
    warpsN = int64_t(llvm::PowerOf2Ceil(uint64_t(llvm::divideCeil(tile.bn, 128))));
    warpsM = Warps / warpsN;
    tm = tile.bm / std::max<int64_t>(warpsM, 1);
    tn = tile.bn / warpsN / 32;
    return;
  }
  // Of the ways with at most 64 sums a thread the one that reads least per product.
  double least = std::numeric_limits<double>::infinity();
  for (int64_t m = 1; m <= Warps; m *= 2) {
    int64_t rows = tile.bm / m, columns = tile.bn / (Warps / m);
    double reads = 1.0 / double(rows) + 1.0 / double(columns);
    if (rows % 16 != 0 || columns % 16 != 0 || rows * columns / 32 > 64 || !(reads < least))
      continue;
    least = reads;
    warpsM = m;
    warpsN = Warps / m;
    tm = rows / 16;
    tn = columns / 8;
  }
}

int64_t danaus::stagingBytes(kernel::ContractOp op, BlockTile tile) {
  bool mma = usesTensorCores(op);
  WarpShares shares(tile, mma);
  int64_t group = op.getGroup(), kept, stored;
  if (mma) {
    kept = 2 * 2 * MmaKStep * (group * tile.bm + tile.bn);
    int64_t row = tile.bn + tile.bn / 8;
    row = group > 1 ? row + 1 : (row + 23) / 32 * 32 + 8;
    stored = 4 * shares.warpsM * 16 * row;
  } else {
    kept = 4 * 2 * (group * (KStep * lhsRow(tile.bm, group) + 4) + KStep * (tile.bn + 4));
    stored = 4 * shares.warpsM * std::min<int64_t>(shares.tm, 4) * (tile.bn + tile.bn / 8);
  }
  return llvm::alignTo(std::max(kept, stored), 16);
}

bool danaus::isPossible(kernel::ContractOp op, BlockTile tile) {
  WarpShares shares(tile, usesTensorCores(op));
  int64_t group = op.getGroup();
  if (shares.tm < 1 || tile.bn % group != 0)
    return false;
  int64_t columns = tile.bn / group; // of a group
  if (!usesTensorCores(op))
    return shares.tm <= 16 && columns % shares.tn == 0;
  int64_t groupTiles = columns / 8;
  return columns % 8 == 0 && (shares.tn % groupTiles == 0 || groupTiles % shares.tn == 0);
}

int64_t danaus::scratchGroup(Value value) {
  int64_t group = 0;
  for (Operation *user : value.getUsers()) {
    auto reader = dyn_cast<kernel::ContractOp>(user);
    if (!reader || reader.getLhs() != value)
      continue;
    int64_t own = usesTensorCores(reader) ? reader.getGroup() : 1;
    if (group != 0 && group != own)
      return 1;
    group = own;
  }
  auto type = cast<RankedTensorType>(value.getType());
  int64_t columns = type.getNumElements() / type.getDimSize(0);
  return group > 1 && columns % (8 * group) == 0 ? group : 1;
}

int64_t danaus::scratchColumns(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t columns = type.getNumElements() / type.getDimSize(0), group = scratchGroup(value);
  // Runs of 16 bytes: groups are one run apart, and a row has an odd number of runs.
  int64_t run = 128 / type.getElementTypeBitWidth();
  columns = int64_t(llvm::alignTo(columns, run)) + (group > 1 ? group * run : 0);
  return columns / run % 2 == 0 ? columns + run : columns;
}

int64_t danaus::scratchBytes(Value value, int64_t rows) {
  auto type = cast<RankedTensorType>(value.getType());
  return int64_t(
      llvm::alignTo(rows * scratchColumns(value) * type.getElementTypeBitWidth() / 8, 16));
}

BlockPlan danaus::planBlocks(ArrayRef<kernel::ContractOp> ops, const GpuShape &gpu) {
  BlockPlan best;
  best.cycles = std::numeric_limits<double>::infinity();
  kernel::ContractOp first = ops.front();
  int64_t rows = first.getSizes()[first.getM()];
  bool isChain = ops.size() > 1;
  for (int64_t bm : {128, 64, 32, 16, 8}) {
    BlockPlan plan;
    plan.scratchBytes = scratchBytesOf(ops, bm);
    int64_t rowTiles = llvm::divideCeil(rows, bm);
    double busy = 0;
    for (kernel::ContractOp op : ops) {
      double least = std::numeric_limits<double>::infinity();
      BlockTile chosen;
      for (int64_t bn : {1024, 768, 512, 384, 256, 192, 128, 96, 64, 32}) {
        BlockTile tile{bm, bn};
        if (!isPossible(op, tile) || plan.scratchBytes + stagingBytes(op, tile) > gpu.sharedBytes)
          continue;
        int64_t tiles = batchesOf(op) * columnTiles(op, tile);
        double cycles = isChain ? double(tiles) * cyclesOf(op, tile)
                                : rounds(tiles * rowTiles, gpu) * cyclesOf(op, tile);
        if (cycles < least) {
          least = cycles;
          chosen = tile;
        }
      }
      busy += least;
      plan.tiles.push_back(chosen);
      if (chosen.bm)
        plan.sharedBytes = std::max(plan.sharedBytes, plan.scratchBytes + stagingBytes(op, chosen));
    }
    if (isChain)
      busy *= rounds(rowTiles, gpu);
    double moving = trafficOf(ops) / BytesPerCycle;
    plan.cycles = LaunchCycles + std::max(busy, moving) + NotOverlapped * std::min(busy, moving);
    if (plan.cycles < best.cycles)
      best = plan;
  }
  return best;
}

double danaus::cyclesOfSum(Value partial) {
  // Written, then read.
  return LaunchCycles + 2 * double(bytesOf(partial.getType())) / BytesPerCycle;
}
