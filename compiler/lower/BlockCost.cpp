// See BlockCost.h. The constants describe an A100; others differ little in the ratios that matter.
#include "compiler/lower/BlockCost.h"

#include "compiler/lower/Access.h"
#include "compiler/lower/Layout.h"

using namespace mlir;
using namespace danaus;

namespace {

constexpr int64_t KStep = 8;     ///< of the template, device/contract.cuh
constexpr int64_t MmaKStep = 32; ///< of the template, device/contract_mma.cuh
/// A warp has results of all groups, 8 columns of each at least: with more of them the tiles of
/// their operands are too large for the shared memory of most GPUs.
constexpr int64_t MostMmaGroups = 8;
constexpr double MmaPerCycle = 1024;      ///< products of bfloat16 of a multiprocessor
constexpr double LaunchCycles = 3000;     ///< between dependent kernels of a graph, about 2 us
constexpr double BytesPerCycle = 1100;    ///< of memory, all multiprocessors together
constexpr double StepLatency = 80;        ///< of a step of K that does not fill the multipliers
constexpr double MmaStepLatency = 300;    ///< the same where the second-level cache must answer
constexpr double CacheBytesPerCycle = 47; ///< of the second-level cache, for a multiprocessor
constexpr double IssuePerCycle = 4;       ///< instructions of warps
constexpr double Overhead = 1.15;         ///< instructions beside multiplications
constexpr double NotOverlapped = 0.25;    ///< of the shorter of computing and moving

/// Of one k of a tile: 4 warps multiply at a time, and shared memory gives 128 bytes at a time;
/// rows are read once for a warp, four at a time, columns by each thread.
double cyclesOfK(WarpShares shares) {
  double multiply = double(WarpShares::Warps * shares.tm * shares.tn) / 4;
  double read = double(WarpShares::Warps * (llvm::divideCeil(shares.tm, 4) + shares.tn));
  return Overhead * std::max(multiply, read);
}

/// Of a step of K of a tile on tensor cores: the longest of multiplying, starting instructions,
/// shared memory, and what comes from the second-level cache.
double cyclesOfMmaStep(int64_t group, BlockTile tile, bool lhsInScratch) {
  WarpShares shares(tile, true, group);
  constexpr int64_t bytes = 2 * MmaKStep, warps = WarpShares::Warps;
  double copied = double(bytes * (tile.bn + (lhsInScratch ? 0 : group * tile.bm)));
  double read = double(warps * bytes * (shares.tm * 16 * group + shares.tn * 8));
  double loads = copied / 16 / (32 * warps); // of a thread
  // Half a step: products, matrices of lhs and of rhs.
  double products = double(shares.tm * shares.tn + shares.tm * group) + double(shares.tn) / 2;
  double instructions = double(warps) * (2 * products + 4 * loads + 25);
  return Overhead *
         std::max({MmaStepLatency / Overhead, double(tile.bm * tile.bn * MmaKStep) / MmaPerCycle,
                   instructions / IssuePerCycle, (copied + read) / 128,
                   copied / CacheBytesPerCycle});
}

/// The same where batches are interleaved: fragments are put together from words of all batches.
double cyclesOfInterleavedStep(int64_t count, BlockTile tile) {
  WarpShares shares(tile, true, 1, count);
  constexpr int64_t bytes = 2 * MmaKStep, warps = WarpShares::Warps;
  double copied = double(bytes * count * (tile.bm + tile.bn));
  double read = double(warps * bytes * count * (shares.tm * 16 + shares.tn * 8));
  double loads = copied / 16 / (32 * warps);
  int64_t words = llvm::divideCeil(count, 8);
  double half = double(count * shares.tm * shares.tn + shares.tm * (8 * words + 4 * count) +
                       shares.tn * (4 * words + 2 * count));
  double instructions = double(warps) * (2 * half + 4 * loads + 25);
  return Overhead * std::max({MmaStepLatency / Overhead,
                              double(count * tile.bm * tile.bn * MmaKStep) / MmaPerCycle,
                              instructions / IssuePerCycle, (copied + read) / 128,
                              copied / CacheBytesPerCycle});
}

/// Of one block for one tile.
double cyclesOf(kernel::ContractOp op, BlockTile tile, bool lhsInScratch) {
  bool mma = usesTensorCores(op);
  int64_t kStep = mma ? MmaKStep : KStep;
  double steps = double(llvm::divideCeil(op.getSizes()[op.getK()], kStep));
  if (int64_t count = interleaveOf(op); count > 1)
    return steps * cyclesOfInterleavedStep(count, tile) + 300 +
           double(count * tile.bm * tile.bn) / 20;
  if (mma)
    return steps * cyclesOfMmaStep(op.getGroup(), tile, lhsInScratch) + 300 +
           double(tile.bm * tile.bn) / 20;
  double step = double(kStep) * cyclesOfK(WarpShares(tile, false, op.getGroup()));
  return steps * std::max(StepLatency, step) + 300 + double(tile.bm * tile.bn) / 64;
}

/// As in device/contract.cuh.
int64_t lhsRow(int64_t rows, int64_t group) {
  int64_t step = group < 8 ? 4 * group : 4;
  while (rows % step != 0 || rows / step % 2 == 0)
    rows += 4;
  return rows;
}

/// Those that are computed together count as one.
int64_t batchesOf(kernel::ContractOp op) {
  return llvm::product_of(op.getSizes().drop_back(3)) / interleaveOf(op);
}

int64_t columnTiles(kernel::ContractOp op, BlockTile tile) {
  return llvm::divideCeil(op.getSizes()[op.getN()], tile.bn);
}

/// How often all multiprocessors are filled. On tensor cores a block has one for itself; else
/// several share one, so that shares of a last round count as such.
double rounds(int64_t blocks, bool mma, const GpuShape &gpu) {
  double share = double(blocks) / double(gpu.multiprocessors);
  return std::max(1.0, mma ? std::ceil(share) : share);
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
  auto typeOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type type = typeOf(op.getLhs());
  return op.getGroup() <= MostMmaGroups && (type.isBF16() || type.isF16()) &&
         typeOf(op.getRhs()) == type;
}

int64_t danaus::interleaveOf(kernel::ContractOp op) {
  constexpr int64_t run = 8; // elements that are copied at a time
  unsigned batches = op.getNumBatch();
  if (!usesTensorCores(op) || batches == 0 || op.getGroup() != 1 || !op.getExtras().empty() ||
      op.getResults().size() != 1 || op->getParentOfType<kernel::ChainOp>())
    return 1;
  unsigned last = batches - 1;
  int64_t count = op.getSizes()[last];
  if (!llvm::is_contained({2, 4, 8, 16}, count) ||
      !cast<RankedTensorType>(op.getResult(0).getType()).getElementType().isF32())
    return 1;
  auto isInterleaved = [&](unsigned map, Value operand, unsigned row) {
    auto type = cast<RankedTensorType>(operand.getType());
    auto access = Access::of(op.getMap(map), type.getShape(), op.getSizes());
    if (!access || !access->guards.empty() || access->offset.constant % run != 0 ||
        access->offset.plain(last) != 1 || access->offset.plain(row) != count ||
        op.getSizes()[row] * count % run != 0)
      return false;
    return llvm::all_of(access->offset.terms, [&](const AccessTerm &term) {
      bool isOwn = term.dim == last || term.dim == row;
      return isOwn ? term.kind == AccessTerm::Plain
                   : term.coefficient % run == 0 &&
                         (term.dim != op.getK() || term.kind == AccessTerm::Plain);
    });
  };
  bool both = isInterleaved(kernel::ContractOp::LhsMap, op.getLhs(), op.getM()) &&
              isInterleaved(kernel::ContractOp::RhsMap, op.getRhs(), op.getN());
  return both ? count : 1;
}

WarpShares::WarpShares(BlockTile tile, bool tensorCores, int64_t group, int64_t interleave) {
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
    if (rows % 16 != 0 || columns % (interleave > 1 ? 8 : 16) != 0 || columns / 8 % group != 0 ||
        rows * columns * interleave / 32 > 64 || !(reads < least))
      continue;
    least = reads;
    warpsM = m;
    warpsN = Warps / m;
    tm = rows / 16;
    tn = columns / 8;
  }
}

int64_t danaus::stagingBytes(kernel::ContractOp op, BlockTile tile) {
  int64_t group = op.getGroup();
  if (int64_t count = interleaveOf(op); count > 1)
    return 2 * 2 * MmaKStep * (count * (tile.bm + tile.bn) + 16);
  if (usesTensorCores(op)) // rows of groups side by side are padded by up to 32 elements
    return 2 * 2 * (MmaKStep * (group * tile.bm + tile.bn) + (group > 1 ? 32 * tile.bm : 0));
  WarpShares shares(tile, false, group);
  int64_t kept = 4 * 2 * (group * (KStep * lhsRow(tile.bm, group) + 4) + KStep * (tile.bn + 4));
  int64_t stored = 4 * shares.warpsM * std::min<int64_t>(shares.tm, 4) * (tile.bn + tile.bn / 8);
  return llvm::alignTo(std::max(kept, stored), 16);
}

bool danaus::isPossible(kernel::ContractOp op, BlockTile tile) {
  int64_t group = op.getGroup();
  bool mma = usesTensorCores(op);
  WarpShares shares(tile, mma, group, interleaveOf(op));
  if (shares.tm < 1 || shares.tn < 1 || tile.bn % group != 0)
    return false;
  return mma || (shares.tm <= 16 && tile.bn / group % shares.tn == 0);
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
  int64_t leastBytes = std::numeric_limits<int64_t>::max();
  for (int64_t bm : {128, 64, 32, 16, 8}) {
    BlockPlan plan;
    plan.scratchBytes = int64_t(llvm::alignTo(scratchBytesOf(ops, bm), StagingAlignment));
    int64_t rowTiles = llvm::divideCeil(rows, bm);
    double busy = 0;
    int64_t needed = 0; // by the contraction that needs most
    for (kernel::ContractOp op : ops) {
      int64_t ownBytes = std::numeric_limits<int64_t>::max();
      double least = std::numeric_limits<double>::infinity();
      BlockTile chosen;
      for (int64_t bn : {1024, 768, 512, 384, 256, 192, 128, 96, 64, 32, 16}) {
        BlockTile tile{bm, bn};
        if (!isPossible(op, tile))
          continue;
        int64_t bytes = plan.scratchBytes + stagingBytes(op, tile);
        ownBytes = std::min(ownBytes, bytes);
        if (bytes > gpu.sharedBytes)
          continue;
        int64_t tiles = batchesOf(op) * columnTiles(op, tile);
        bool inScratch = llvm::is_contained(ops, op.getLhs().getDefiningOp<kernel::ContractOp>());
        double own = cyclesOf(op, tile, inScratch);
        double cycles = isChain ? double(tiles) * own
                                : rounds(tiles * rowTiles, usesTensorCores(op), gpu) * own;
        if (cycles < least) {
          least = cycles;
          chosen = tile;
        }
      }
      needed = std::max(needed, ownBytes);
      busy += least;
      plan.tiles.push_back(chosen);
      if (chosen.bm)
        plan.sharedBytes = std::max(plan.sharedBytes, plan.scratchBytes + stagingBytes(op, chosen));
    }
    leastBytes = std::min(leastBytes, needed);
    if (isChain)
      busy *= rounds(rowTiles, usesTensorCores(first), gpu);
    double moving = trafficOf(ops) / BytesPerCycle;
    plan.cycles = LaunchCycles + std::max(busy, moving) + NotOverlapped * std::min(busy, moving);
    if (plan.cycles < best.cycles)
      best = plan;
  }
  best.leastBytes = leastBytes;
  return best;
}

double danaus::cyclesOfSum(Value partial) {
  // Written, then read.
  return LaunchCycles + 2 * double(bytesOf(partial.getType())) / BytesPerCycle;
}
