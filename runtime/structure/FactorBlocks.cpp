// See FactorBlocks.h.
#include "runtime/structure/FactorBlocks.h"

#include <numeric>

namespace danaus {

namespace {

using Indices = std::vector<uint64_t>;

Indices allOf(uint64_t count) {
  Indices indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

Matrix gather(const Matrix &from, const Indices &rows, const Indices &columns) {
  Matrix part(rows.size(), columns.size());
  for (uint64_t i = 0; i < rows.size(); ++i)
    for (uint64_t j = 0; j < columns.size(); ++j)
      part.at(i, j) = from.at(rows[i], columns[j]);
  return part;
}

void scatter(Matrix &into, const Indices &rows, const Indices &columns, const Matrix &part) {
  for (uint64_t i = 0; i < rows.size(); ++i)
    for (uint64_t j = 0; j < columns.size(); ++j)
      into.at(rows[i], columns[j]) = part.at(i, j);
}

/// Hidden features j = k q + a come from block k of the first factor; those with j mod N = l go
/// into block l of the second, as its column j div N. y[o N + l] = sum_c W2[l][o][c] h[c N + l].
/// What a block has beyond the features of the layer is padding and no part of any product.
std::vector<FactorBlock> blocksOfMonarch(const LinearWeights &w) {
  MonarchSizes sizes(w.in, w.out, w.blocks);
  std::vector<FactorBlock> blocks;
  for (uint64_t l = 0; l < w.blocks; ++l)
    for (uint64_t k = 0; k < w.blocks; ++k) {
      FactorBlock &block = blocks.emplace_back();
      for (uint64_t o = 0; o < sizes.s && o * w.blocks + l < w.out; ++o) {
        block.rows.push_back(o * w.blocks + l);
        block.secondRows.push_back(l * sizes.s + o);
      }
      for (uint64_t i = k * sizes.p; i < (k + 1) * sizes.p && i < w.in; ++i)
        block.columns.push_back(i);
      for (uint64_t j = k * sizes.q; j < (k + 1) * sizes.q; ++j)
        if (j % w.blocks == l) {
          block.firstRows.push_back(j);
          block.secondColumns.push_back(j / w.blocks);
        }
    }
  return blocks;
}

/// y[k s + o] = sum_i W[k][o][i] x[k p + i].
std::vector<FactorBlock> blocksOfDiagonal(const LinearWeights &w) {
  MonarchSizes sizes(w.in, w.out, w.blocks);
  std::vector<FactorBlock> blocks;
  for (uint64_t k = 0; k < w.blocks; ++k) {
    FactorBlock &block = blocks.emplace_back();
    for (uint64_t i = k * sizes.p; i < (k + 1) * sizes.p && i < w.in; ++i)
      block.columns.push_back(i);
    for (uint64_t o = k * sizes.s; o < (k + 1) * sizes.s && o < w.out; ++o)
      block.rows.push_back(o);
    block.firstRows = block.rows;
  }
  return blocks;
}

} // namespace

std::vector<FactorBlock> blocksOf(const LinearWeights &weights) {
  switch (weights.kind) {
  case LinearKind::Monarch:
    return blocksOfMonarch(weights);
  case LinearKind::LowRank:
    return {{allOf(weights.out), allOf(weights.in), allOf(weights.first.rows), allOf(weights.out),
             allOf(weights.first.rows)}};
  case LinearKind::BlockDiagonal:
    return blocksOfDiagonal(weights);
  case LinearKind::Dense:
    break;
  }
  return {};
}

Matrix FactorBlock::dense(const Matrix &weight) const { return gather(weight, rows, columns); }

void FactorBlock::setDense(Matrix &weight, const Matrix &part) const {
  scatter(weight, rows, columns, part);
}

Matrix FactorBlock::first(const LinearWeights &weights) const {
  return gather(weights.first, firstRows, allOf(columns.size()));
}

void FactorBlock::setFirst(LinearWeights &weights, const Matrix &part) const {
  scatter(weights.first, firstRows, allOf(columns.size()), part);
}

Matrix FactorBlock::second(const LinearWeights &weights) const {
  return gather(weights.second, secondRows, secondColumns);
}

void FactorBlock::setSecond(LinearWeights &weights, const Matrix &part) const {
  scatter(weights.second, secondRows, secondColumns, part);
}

} // namespace danaus
