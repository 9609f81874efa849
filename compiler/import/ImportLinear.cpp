// Linear layers: which structure a layer gets, whether that fits its sizes, and its operation. A
// new structured kind is one more case of createLinear().
#include "compiler/import/ModelContext.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Layer;
using spec::Structure;
using spec::StructureKind;

namespace {
/// The sizes that the structure of one linear layer is checked against and built with.
struct Shape {
  StringRef name;
  int64_t rows, in, out;
  int64_t least() const { return std::min(in, out); }
};

/// "hidden.0 (784 -> 128)".
std::string describe(const Shape &shape) {
  return (shape.name + " (" + Twine(shape.in) + " -> " + Twine(shape.out) + ")").str();
}

/// The first rule that matches; null: dense. Every rule that matches counts as matched.
const Structure *ruleFor(ModelContext &model, StringRef name) {
  const Structure *first = nullptr;
  for (Rule &rule : model.rules) {
    if (!rule.glob.match(name))
      continue;
    rule.matched = true;
    first = first ? first : rule.structure;
  }
  return first;
}

/// Null where the layer has none.
FailureOr<Value> addBias(ModelContext &model, const LinearLayer &layer, const Shape &shape,
                         int64_t fanIn) {
  if (!layer.bias)
    return Value();
  return model.addParameter(shape.name + ".bias", shape.out, Init::fanIn(fanIn), layer.mark);
}

FailureOr<Value> createDense(ModelContext &model, const LinearLayer &layer, const Shape &shape,
                             Location loc, Value input, RankedTensorType type) {
  SmallVector<int64_t> matrix{shape.out, shape.in};
  auto weight = model.addParameter(shape.name + ".weight",
                                   layer.weightShape.empty() ? matrix : layer.weightShape,
                                   Init::fanIn(shape.in), layer.mark);
  if (failed(weight))
    return failure();
  auto bias = addBias(model, layer, shape, shape.in);
  if (failed(bias))
    return failure();
  return nn::LinearOp::create(model.builder, loc, type, input,
                              createReshape(model, loc, *weight, matrix), *bias)
      .getResult();
}

FailureOr<Value> createLowRank(ModelContext &model, const LinearLayer &layer, const Structure &rule,
                               const Shape &shape, Location loc, Value input,
                               RankedTensorType type) {
  int64_t rank = rule.rank;
  spec::Mark mark = rule.rank.mark;
  if (rule.rankRatio) {
    rank = std::max<int64_t>(1, int64_t(rule.rankRatio->value * double(shape.least())));
    mark = rule.rankRatio->mark;
  }
  if (rank < 1 || rank > shape.least()) {
    InFlightDiagnostic error = model.error({mark, rule.mark});
    if (rank < 1)
      error << "rank " << rank << " must be at least 1";
    else
      error << "rank " << rank << " exceeds min(in, out) = " << shape.least() << " of layer "
            << shape.name;
    error.attachNote(model.locationOf(layer.mark)) << "the layer is " << describe(shape);
    return failure();
  }
  auto down = model.addParameter(shape.name + ".down.weight", {rank, shape.in},
                                 Init::fanIn(shape.in), layer.mark);
  if (failed(down))
    return failure();
  auto up = model.addParameter(shape.name + ".up.weight", {shape.out, rank}, Init::fanIn(rank),
                               layer.mark);
  if (failed(up))
    return failure();
  auto bias = addBias(model, layer, shape, rank);
  if (failed(bias))
    return failure();
  return nn::LowRankLinearOp::create(model.builder, loc, type, input, *down, *up, *bias)
      .getResult();
}

bool hasChosenRanks(const ModelContext &model) {
  return !model.spec.chosenRanks.empty() && !model.spec.chosenRanks.front().empty();
}

/// The rank that weights have chosen; as long as they have not, the largest that they may, so that
/// plans have room for any. 0: dense, as where no rank has fewer parameters.
FailureOr<int64_t> rankByWeights(ModelContext &model, const Structure &rule, const Shape &shape) {
  int64_t most = (shape.in * shape.out - 1) / (shape.in + shape.out);
  constexpr int64_t step = 8; // as runtime/structure/ChooseRanks.h rounds
  if (most == 0 || !hasChosenRanks(model))
    return most < step ? most : most / step * step;
  const spec::ChosenRanks &chosen = model.spec.chosenRanks.front();
  auto found = chosen.find(shape.name.str());
  if (found == chosen.end())
    return model.error({rule.rank.mark, rule.mark})
           << "the chosen ranks have none of layer " << describe(shape);
  return found->second;
}

FailureOr<Value> createLowRankByWeights(ModelContext &model, const LinearLayer &layer,
                                        const Structure &rule, const Shape &shape, Location loc,
                                        Value input, RankedTensorType type) {
  FailureOr<int64_t> rank = rankByWeights(model, rule, shape);
  if (failed(rank))
    return failure();
  if (*rank == 0)
    return createDense(model, layer, shape, loc, input, type);
  Structure withRank = rule;
  withRank.rank.value = *rank;
  auto result = createLowRank(model, layer, withRank, shape, loc, input, type);
  if (succeeded(result) && !hasChosenRanks(model))
    result->getDefiningOp()->setAttr(nn::RankByAttr,
                                     model.builder.getF64FloatAttr(rule.rankByWeights->energy));
  return result;
}

/// nblocks must not exceed the sizes, and every block must see an input.
LogicalResult checkBlocks(ModelContext &model, const LinearLayer &layer, const Structure &rule,
                          const Shape &shape) {
  int64_t blocks = rule.nblocks;
  auto error = [&]() -> InFlightDiagnostic { return model.error({rule.nblocks.mark, rule.mark}); };
  auto note = [&](InFlightDiagnostic &diagnostic) {
    diagnostic.attachNote(model.locationOf(layer.mark)) << "the layer is " << describe(shape);
    return failure();
  };
  if (blocks < 1 || blocks > shape.least()) {
    InFlightDiagnostic diagnostic = error();
    if (blocks < 1)
      diagnostic << "nblocks = " << blocks << " must be at least 1";
    else
      diagnostic << "nblocks = " << blocks << " exceeds min(in, out) = " << shape.least()
                 << " of layer " << shape.name;
    return note(diagnostic);
  }
  int64_t perBlock = llvm::divideCeil(shape.in, blocks);
  int64_t filled = llvm::divideCeil(shape.in, perBlock);
  if (filled < blocks) {
    InFlightDiagnostic diagnostic = error();
    diagnostic << "nblocks = " << blocks << " does not divide anything useful: the " << shape.in
               << " inputs of layer " << shape.name << ", " << perBlock << " to a block, fill only "
               << filled << " blocks; use nblocks: " << filled;
    return note(diagnostic);
  }
  return success();
}

FailureOr<Value> createMonarch(ModelContext &model, const LinearLayer &layer, const Structure &rule,
                               const Shape &shape, Location loc, Value input,
                               RankedTensorType type) {
  if (failed(checkBlocks(model, layer, rule, shape)))
    return failure();
  int64_t blocks = rule.nblocks;
  int64_t p = llvm::divideCeil(shape.in, blocks), s = llvm::divideCeil(shape.out, blocks);
  int64_t q = std::min(p, s);
  auto first =
      model.addParameter(shape.name + ".blkdiag1", {blocks, q, p}, Init::fanIn(p), layer.mark);
  if (failed(first))
    return failure();
  auto second =
      model.addParameter(shape.name + ".blkdiag2", {blocks, s, q}, Init::fanIn(q), layer.mark);
  if (failed(second))
    return failure();
  auto bias = addBias(model, layer, shape, shape.out);
  if (failed(bias))
    return failure();
  return nn::MonarchLinearOp::create(model.builder, loc, type, input, *first, *second, *bias)
      .getResult();
}

FailureOr<Value> createBlockDiagonal(ModelContext &model, const LinearLayer &layer,
                                     const Structure &rule, const Shape &shape, Location loc,
                                     Value input, RankedTensorType type) {
  if (failed(checkBlocks(model, layer, rule, shape)))
    return failure();
  int64_t blocks = rule.nblocks;
  int64_t p = llvm::divideCeil(shape.in, blocks), s = llvm::divideCeil(shape.out, blocks);
  auto weight =
      model.addParameter(shape.name + ".blkdiag", {blocks, s, p}, Init::fanIn(p), layer.mark);
  if (failed(weight))
    return failure();
  auto bias = addBias(model, layer, shape, p);
  if (failed(bias))
    return failure();
  return nn::BlockDiagonalLinearOp::create(model.builder, loc, type, input, *weight, *bias)
      .getResult();
}

/// `kind: auto`: decided by the sizes alone, so that weights and machines do not change a model.
FailureOr<Value> createAuto(ModelContext &model, const LinearLayer &layer, const Structure &rule,
                            const Shape &shape, Location loc, Value input, RankedTensorType type) {
  constexpr int64_t blocks = 4, leastSide = 64;
  int64_t p = llvm::divideCeil(shape.in, blocks), s = llvm::divideCeil(shape.out, blocks);
  int64_t weights = blocks * std::min(p, s) * (p + s);
  if (shape.least() >= leastSide && 4 * weights <= 3 * shape.in * shape.out) {
    Structure monarch = rule;
    monarch.kind = StructureKind::Monarch;
    monarch.nblocks.value = blocks;
    return createMonarch(model, layer, monarch, shape, loc, input, type);
  }
  emitWarning(model.locationOf(rule.mark))
      << "kind: auto leaves layer " << describe(shape) << " dense: structure "
      << (shape.least() < leastSide ? "does not pay with fewer than 64 features on a side"
                                    : "would save less than a quarter of its weights");
  return createDense(model, layer, shape, loc, input, type);
}

FailureOr<Value> createLinear(ModelContext &model, const LinearLayer &layer, const Shape &shape,
                              Location loc, Value input, RankedTensorType type) {
  const Structure *rule = ruleFor(model, shape.name);
  switch (rule ? rule->kind : StructureKind::Dense) {
  case StructureKind::Dense:
    return createDense(model, layer, shape, loc, input, type);
  case StructureKind::LowRank:
    if (rule->rankByWeights)
      return createLowRankByWeights(model, layer, *rule, shape, loc, input, type);
    return createLowRank(model, layer, *rule, shape, loc, input, type);
  case StructureKind::Monarch:
    return createMonarch(model, layer, *rule, shape, loc, input, type);
  case StructureKind::BlockDiagonal:
    return createBlockDiagonal(model, layer, *rule, shape, loc, input, type);
  case StructureKind::Auto:
    return createAuto(model, layer, *rule, shape, loc, input, type);
  }
  llvm_unreachable("a structure without a case");
}
} // namespace

FailureOr<Value> danaus::import::importLinearRows(ModelContext &model, const LinearLayer &layer,
                                                  Value rows) {
  model.linearNames.push_back(layer.name);
  ArrayRef<int64_t> shape = nn::shapeOf(rows);
  auto type = model.tensorOf({shape[0], layer.out}, {layer.outMark, layer.mark},
                             "the result of layer " + layer.name);
  if (failed(type))
    return failure();
  return createLinear(model, layer, {layer.name, shape[0], shape[1], layer.out},
                      model.locationOf(layer.name, layer.mark), rows, *type);
}

FailureOr<Value> danaus::import::importLinear(ModelContext &model, const Layer &layer,
                                              StringRef name, Value input) {
  if (failed(needsFeatures(model, layer, name, input)))
    return failure();
  SmallVector<int64_t> shape(nn::shapeOf(input));
  Location loc = model.locationOf(name, layer.mark);
  shape.back() = layer.out;
  auto result =
      importLinearRows(model, {name.str(), layer.out, layer.bias, layer.mark, layer.out.mark},
                       createRows(model, loc, input));
  if (failed(result))
    return failure();
  return createReshape(model, loc, createActivation(model, loc, layer.activation, *result), shape);
}

LogicalResult danaus::import::prepareRules(ModelContext &model) {
  for (const Structure &structure : model.spec.structure) {
    auto glob = llvm::GlobPattern::create(structure.match.value);
    if (!glob)
      return model.error({structure.match.mark, structure.mark})
             << "'" << structure.match.value
             << "' is not a glob of *, ? and [...]: " << llvm::toString(glob.takeError());
    model.rules.push_back({&structure, std::move(*glob)});
  }
  return success();
}

namespace {
/// Up to three of `names`, the most similar to the glob first.
std::string nearestNames(StringRef glob, ArrayRef<std::string> names) {
  std::vector<std::pair<unsigned, size_t>> ranked; // distance, index
  for (auto [i, name] : llvm::enumerate(names.take_front(1000)))
    ranked.push_back({StringRef(name).edit_distance(glob), i});
  llvm::sort(ranked);
  ranked.resize(std::min<size_t>(ranked.size(), 3));
  return llvm::join(llvm::map_range(ranked, [&](auto entry) { return names[entry.second]; }), ", ");
}
} // namespace

LogicalResult danaus::import::checkRules(const ModelContext &model) {
  for (const Rule &rule : model.rules) {
    if (rule.matched)
      continue;
    const spec::At<std::string> &match = rule.structure->match;
    InFlightDiagnostic error = model.error({match.mark, rule.structure->mark});
    error << "no linear layer matches '" << match.value << "'; ";
    if (model.linearNames.empty())
      return error << "the model has none";
    return error << "nearest: " << nearestNames(match.value, model.linearNames);
  }
  return success();
}
