// See NamedLinear.h.
#include "runtime/structure/NamedLinear.h"

namespace danaus {

static constexpr const char *suffixes[] = {".down.weight", ".up.weight", ".blkdiag1",
                                           ".blkdiag2",    ".blkdiag",   ".weight"};

std::string linearOf(const std::string &tensor) {
  for (const char *suffix : suffixes)
    if (tensor.ends_with(suffix))
      return tensor.substr(0, tensor.size() - std::string_view(suffix).size());
  return "";
}

uint64_t product(const std::vector<uint64_t> &shape, size_t from) {
  uint64_t result = 1;
  for (size_t i = from; i < shape.size(); ++i)
    result *= shape[i];
  return result;
}

bool describeLinear(const std::string &name, const Shapes &shapes, LinearWeights &into) {
  auto find = [&](const char *suffix) -> const std::vector<uint64_t> * {
    auto found = shapes.find(name + suffix);
    return found == shapes.end() ? nullptr : &found->second;
  };
  const auto *down = find(".down.weight"), *up = find(".up.weight");
  const auto *one = find(".blkdiag1"), *two = find(".blkdiag2"), *dense = find(".weight");
  if (down && up && down->size() == 2 && up->size() == 2 && (*down)[0] == (*up)[1]) {
    into = {LinearKind::LowRank, (*down)[1], (*up)[0], Matrix((*down)[0], (*down)[1]),
            Matrix((*up)[0], (*up)[1])};
    return true;
  }
  if (one && two && one->size() == 3 && two->size() == 3 && (*one)[0] == (*two)[0] &&
      (*one)[1] == (*two)[2]) {
    // How much of the last blocks is padding, the other side knows.
    into = {LinearKind::Monarch,
            (*one)[0] * (*one)[2],
            (*two)[0] * (*two)[1],
            Matrix((*one)[0] * (*one)[1], (*one)[2]),
            Matrix((*two)[0] * (*two)[1], (*two)[2]),
            (*one)[0]};
    return true;
  }
  if (const auto *diagonal = find(".blkdiag"); diagonal && diagonal->size() == 3) {
    into = {LinearKind::BlockDiagonal,
            (*diagonal)[0] * (*diagonal)[2],
            (*diagonal)[0] * (*diagonal)[1],
            Matrix((*diagonal)[0] * (*diagonal)[1], (*diagonal)[2]),
            Matrix(),
            (*diagonal)[0]};
    return true;
  }
  if (!dense || dense->size() < 2) // a norm has a weight of one dimension
    return false;
  into = {LinearKind::Dense, product(*dense, 1), (*dense)[0],
          Matrix((*dense)[0], product(*dense, 1))};
  return true;
}

std::pair<std::string, std::string> tensorsOf(const std::string &name, LinearKind kind) {
  switch (kind) {
  case LinearKind::LowRank:
    return {name + ".down.weight", name + ".up.weight"};
  case LinearKind::Monarch:
    return {name + ".blkdiag1", name + ".blkdiag2"};
  case LinearKind::BlockDiagonal:
    return {name + ".blkdiag", ""};
  case LinearKind::Dense:
    break;
  }
  return {name + ".weight", ""};
}

Status readLinear(const WeightSource &source, const std::string &name, const std::string &suffix,
                  LinearWeights &into) {
  auto [first, second] = tensorsOf(name, into.kind);
  for (auto [tensor, matrix] : {std::pair(first, &into.first), std::pair(second, &into.second)}) {
    if (tensor.empty())
      continue;
    std::vector<float> values(matrix->data.size());
    if (Status status = source.read(tensor + suffix, values.data(), values.size()); !status)
      return status;
    std::ranges::copy(values, matrix->data.begin());
  }
  return Status::ok();
}

bool fitsFeatures(const LinearWeights &weights, uint64_t in, uint64_t out) {
  MonarchSizes sizes(in, out, weights.blocks);
  if (weights.kind == LinearKind::BlockDiagonal)
    return weights.first.columns == sizes.p && weights.first.rows == weights.blocks * sizes.s;
  if (weights.kind != LinearKind::Monarch)
    return weights.in == in && weights.out == out;
  return weights.first.columns == sizes.p && weights.first.rows == weights.blocks * sizes.q &&
         weights.second.rows == weights.blocks * sizes.s;
}

Expected<Matrix> readDense(const WeightSource &source, const std::string &name, uint64_t out,
                           uint64_t in) {
  Shapes shapes;
  for (const TensorInfo &tensor : source.tensors)
    if (linearOf(tensor.name) == name)
      shapes[tensor.name] = tensor.shape;
  LinearWeights weights;
  using ull = unsigned long long;
  if (!describeLinear(name, shapes, weights) || !fitsFeatures(weights, in, out))
    return Error(ExitCode::CheckpointInvalid,
                 format("%s has no weight of the linear %s, %llu -> %llu", source.origin.c_str(),
                        name.c_str(), ull(in), ull(out)));
  if (Status status = readLinear(source, name, "", weights); !status)
    return status.takeError();
  weights.in = in;
  weights.out = out;
  return toDense(weights);
}

} // namespace danaus
