// kernel.contract and chains of them: which template, how many blocks, how much shared memory.
#include "compiler/lower/BlockCost.h"
#include "compiler/target/cuda/ContractPrinter.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

BlockTile tileOf(kernel::ContractOp op) { return {(*op.getTile())[0], (*op.getTile())[1]}; }

StringRef templateOf(kernel::ContractOp op) {
  return interleaveOf(op) > 1 ? "MmaInterleaved" : usesTensorCores(op) ? "MmaContract" : "Contract";
}

std::vector<StringRef> templatesOf(ArrayRef<kernel::ContractOp> ops) {
  std::vector<StringRef> templates;
  if (!llvm::all_of(ops, usesTensorCores))
    templates.push_back(device::contract);
  if (llvm::any_of(ops, usesTensorCores))
    for (StringRef part : {device::mma, ops.size() == 1 && interleaveOf(ops.front()) > 1
                                            ? device::contract_interleaved
                                            : device::contract_mma})
      templates.push_back(part);
  return templates;
}

} // namespace

FailureOr<KernelBody> cuda::emitContract(kernel::ContractOp op, PointerOf pointerOf) {
  Scratch noScratch;
  Lines lines;
  auto instance = printContract(lines, op, "Op", pointerOf, noScratch);
  if (failed(instance))
    return failure();
  KernelBody body;
  body.templates = templatesOf(op);
  body.types = lines.take();
  ArrayRef<int64_t> sizes = op.getSizes();
  BlockTile tile = tileOf(op);
  body.blocks = llvm::product_of(sizes.drop_back(3)) / interleaveOf(op) *
                llvm::divideCeil(sizes[op.getM()], tile.bm) *
                llvm::divideCeil(sizes[op.getN()], tile.bn);
  body.sharedBytes = stagingBytes(op, tile);
  body.code = ("  " + templateOf(op) + "<Op>::run(" + *instance +
               ", blockIdx.x, reinterpret_cast<float *>(shared));\n")
                  .str();
  return body;
}

FailureOr<KernelBody> cuda::emitChain(kernel::ChainOp chain, PointerOf pointerOfResult) {
  SmallVector<kernel::ContractOp> ops(chain.getBody().getOps<kernel::ContractOp>());
  Operation *yield = chain.getBody().front().getTerminator();
  auto pointerOf = [&](Value value) -> std::string {
    for (auto [yielded, result] : llvm::zip(yield->getOperands(), chain.getResults()))
      if (yielded == value)
        return pointerOfResult(result);
    return value.getParentBlock() == &chain.getBody().front() ? "" : pointerOfResult(value);
  };
  int64_t rows = *chain.getRows(), bytes = 0, staging = 0;
  Scratch scratch;
  Lines lines, code(1);
  for (Value value : scratchValues(ops)) {
    auto type = cast<RankedTensorType>(value.getType());
    ScratchPlace place{unsigned(scratch.size()), type.getNumElements() / type.getDimSize(0),
                       scratchColumns(value), scratchGroup(value)};
    StringRef element = typeName(type.getElementType());
    code.add(element + " *const " + place.name() + " = reinterpret_cast<" + element +
             " *>(shared + " + Twine(bytes) + ");");
    scratch[value] = place;
    bytes += scratchBytes(value, rows);
  }
  bytes = llvm::alignTo(bytes, StagingAlignment);
  code.add("float *const staging = reinterpret_cast<float *>(shared + " + Twine(bytes) + ");");
  code.add("const int m0 = blockIdx.x * " + Twine(rows) + ";");
  for (auto [i, op] : llvm::enumerate(ops)) {
    std::string name = "Op" + std::to_string(i);
    auto instance = printContract(lines, op, name, pointerOf, scratch);
    if (failed(instance))
      return failure();
    code.add(templateOf(op) + "<" + name + ">::runRows(" + *instance + ", m0, staging);");
    staging = std::max(staging, stagingBytes(op, tileOf(op)));
  }
  KernelBody body;
  body.templates = templatesOf(ops);
  body.types = lines.take();
  body.code = code.take();
  body.blocks = llvm::divideCeil(chain.getRowCount(), rows);
  body.sharedBytes = bytes + staging;
  return body;
}
