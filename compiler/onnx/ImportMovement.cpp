// Operators that move elements: what a chain of a structured linear consists of beside products.
#include "compiler/onnx/Importer.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;
using namespace danaus::import;

/// No tensor may have more.
static constexpr size_t mostDimensions = 16;

/// A chain of reshapes is one, but matrices on the way stay: a structured linear goes from matrix
/// to matrix.
Value Importer::reshape(const Node &node, Value input, ArrayRef<int64_t> shape) {
  while (auto before = input.getDefiningOp<nn::ReshapeOp>()) {
    bool undoes = nn::shapeOf(before.getInput()) == shape;
    if (nn::shapeOf(input).size() == 2 && !undoes)
      break;
    input = before.getInput();
    if (undoes)
      break;
  }
  return createReshape(model, locationOf(node), input, shape);
}

/// Dimensions that stay neighbours move as one, so that (batch, tokens, ...) is rows.
Value Importer::transpose(const Node &node, Value input, ArrayRef<int64_t> permutation) {
  if (auto before = input.getDefiningOp<nn::TransposeOp>()) {
    Shape both;
    for (int64_t dim : permutation)
      both.push_back(before.getPermutation()[size_t(dim)]);
    if (llvm::is_sorted(both))
      return before.getInput();
  }
  if (llvm::is_sorted(permutation))
    return input;
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  Shape groupOf(shape.size(), -1), merged, order, result;
  for (size_t i = 0; i < permutation.size(); ++i) {
    result.push_back(shape[size_t(permutation[i])]);
    if (i > 0 && permutation[i] == permutation[i - 1] + 1)
      groupOf[size_t(permutation[i])] = 0; // one with the dimension before it
  }
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (groupOf[dim] < 0)
      merged.push_back(shape[dim]);
    else
      merged.back() *= shape[dim];
    groupOf[dim] = int64_t(merged.size()) - 1;
  }
  for (int64_t dim : permutation)
    if (order.empty() || order.back() != groupOf[size_t(dim)])
      order.push_back(groupOf[size_t(dim)]);
  Value moved = createTranspose(model, locationOf(node), reshape(node, input, merged), order);
  return reshape(node, moved, result);
}

/// Whether only the last of several dimensions changes: then that happens to the matrix of rows.
static bool changesFeatures(ArrayRef<int64_t> from, ArrayRef<int64_t> shape) {
  return shape.size() > 2 && from.drop_back() == shape.drop_back();
}

static SmallVector<int64_t> rowsOf(ArrayRef<int64_t> shape) {
  return {llvm::product_of(shape.drop_back()), shape.back()};
}

Value Importer::slice(const Node &node, Value input, ArrayRef<int64_t> low,
                      ArrayRef<int64_t> shape) {
  if (ArrayRef<int64_t> from = nn::shapeOf(input); changesFeatures(from, shape) && from != shape) {
    Value rows = slice(node, reshape(node, input, rowsOf(from)), {0, low.back()}, rowsOf(shape));
    return reshape(node, rows, shape);
  }
  auto type = nn::tensorOf(model.context, shape);
  if (type == input.getType())
    return input;
  bool fromStart = llvm::all_of(low, [](int64_t at) { return at == 0; });
  return nn::SliceOp::create(model.builder, locationOf(node), type, input,
                             fromStart ? DenseI64ArrayAttr()
                                       : model.builder.getDenseI64ArrayAttr(low));
}

FailureOr<Value> Importer::pad(const Node &node, Value input, ArrayRef<int64_t> low,
                               ArrayRef<int64_t> shape) {
  auto type =
      model.tensorOf(shape, {model.spec.onnxFile.mark}, "the result of node '" + node.name + "'");
  if (failed(type))
    return failure();
  if (*type == input.getType())
    return input;
  if (ArrayRef<int64_t> from = nn::shapeOf(input); changesFeatures(from, shape)) {
    auto rows = pad(node, reshape(node, input, rowsOf(from)), {0, low.back()}, rowsOf(shape));
    if (failed(rows))
      return failure();
    return reshape(node, *rows, shape);
  }
  bool fromStart = llvm::all_of(low, [](int64_t at) { return at == 0; });
  return nn::PadOp::create(model.builder, locationOf(node), *type, input,
                           fromStart ? DenseI64ArrayAttr()
                                     : model.builder.getDenseI64ArrayAttr(low))
      .getResult();
}

FailureOr<std::optional<std::vector<int64_t>>> Importer::numbers(const Node &node, size_t index,
                                                                 StringRef attribute) const {
  if (has(node, index)) {
    auto given = integers(node, index);
    if (failed(given))
      return failure();
    return std::optional(given->values);
  }
  if (const auto *given = node.find<std::vector<int64_t>>(std::string_view(attribute)))
    return std::optional(*given);
  return std::optional<std::vector<int64_t>>();
}

/// Also Dropout: the graph is that of inference, in which it does nothing.
LogicalResult Importer::importIdentity(const Node &node) {
  const Known &entry = known(node, 0);
  if (entry.tensor) {
    auto input = value(node, 0);
    if (failed(input))
      return failure();
    give(node, Known{*input});
    return success();
  }
  give(node, Known(entry));
  return success();
}

LogicalResult Importer::importReshape(const Node &node) {
  auto input = value(node, 0);
  auto wanted = integers(node, 1);
  if (failed(input) || failed(wanted))
    return failure();
  ArrayRef<int64_t> from = nn::shapeOf(*input);
  int64_t count = llvm::product_of(from), known = 1;
  bool copiesZeros = node.integer("allowzero", 0) == 0;
  Shape shape(wanted->values.begin(), wanted->values.end());
  int64_t *open = nullptr;
  auto refuse = [&] {
    return error(node) << "a tensor of shape " << nn::shapeText(from) << " cannot have the shape ("
                       << nn::shapeText(wanted->values)
                       << ") that the node names; was the model exported for one fixed batch?";
  };
  if (shape.size() > mostDimensions)
    return refuse();
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (size == 0 && copiesZeros && i < from.size())
      size = from[i];
    if (size == -1 && !open)
      open = &size;
    else if (size < 1 || llvm::MulOverflow(known, size, known))
      return refuse();
  }
  if (open && count % known == 0)
    *open = count / known;
  if ((open && *open < 1) || llvm::product_of(shape) != count)
    return refuse();
  // What splits or joins features of (batch, tokens, features) works on the matrix of its rows.
  size_t lower = std::min(from.size(), shape.size());
  Value x = *input;
  if (lower > 2 && from.size() != shape.size()) {
    ArrayRef<int64_t> matrix = from.size() == lower ? from : ArrayRef(shape);
    x = reshape(node, x, rowsOf(matrix));
  }
  give(node, Known{reshape(node, x, shape)});
  return success();
}

LogicalResult Importer::importFlatten(const Node &node) {
  auto input = value(node, 0);
  if (failed(input))
    return failure();
  ArrayRef<int64_t> shape = nn::shapeOf(*input);
  int64_t written = node.integer("axis", 1), rank = int64_t(shape.size());
  int64_t axis = written < 0 ? written + rank : written;
  if (axis < 0 || axis > rank)
    return error(node) << "there is no axis " << written << " in " << rank << " dimensions";
  give(node, Known{reshape(node, *input,
                           {llvm::product_of(shape.take_front(size_t(axis))),
                            llvm::product_of(shape.drop_front(size_t(axis)))})});
  return success();
}

LogicalResult Importer::importSqueeze(const Node &node) {
  auto input = value(node, 0);
  auto axes = numbers(node, 1, "axes");
  if (failed(input) || failed(axes))
    return failure();
  ArrayRef<int64_t> from = nn::shapeOf(*input);
  SmallVector<bool> dropped(from.size(), false);
  for (size_t i = 0; i < from.size(); ++i)
    dropped[i] = !*axes && from[i] == 1;
  for (int64_t each : axes->value_or(std::vector<int64_t>())) {
    auto place = axis(node, each, from.size());
    if (failed(place))
      return failure();
    if (from[size_t(*place)] != 1)
      return error(node) << "axis " << each << " of " << nn::shapeText(from) << " is not 1";
    dropped[size_t(*place)] = true;
  }
  Shape shape;
  for (size_t i = 0; i < from.size(); ++i)
    if (!dropped[i])
      shape.push_back(from[i]);
  give(node, Known{reshape(node, *input, shape)});
  return success();
}

LogicalResult Importer::importUnsqueeze(const Node &node) {
  auto input = value(node, 0);
  auto axes = numbers(node, 1, "axes");
  if (failed(input) || failed(axes))
    return failure();
  if (!*axes)
    return error(node) << "the axes are missing";
  ArrayRef<int64_t> from = nn::shapeOf(*input);
  if ((*axes)->size() + from.size() > mostDimensions)
    return error(node) << "gives more than " << mostDimensions << " dimensions";
  SmallVector<bool> added(from.size() + (*axes)->size(), false);
  for (int64_t each : **axes) {
    auto place = axis(node, each, added.size());
    if (failed(place))
      return failure();
    if (std::exchange(added[size_t(*place)], true))
      return error(node) << "axis " << each << " is named twice";
  }
  Shape shape;
  for (bool isNew : added) {
    shape.push_back(isNew ? 1 : from.front());
    from = from.drop_front(isNew ? 0 : 1);
  }
  give(node, Known{reshape(node, *input, shape)});
  return success();
}

LogicalResult Importer::importTranspose(const Node &node) {
  auto input = value(node, 0);
  if (failed(input))
    return failure();
  size_t rank = nn::shapeOf(*input).size();
  Shape permutation = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, int64_t(rank))));
  if (const auto *given = node.find<std::vector<int64_t>>("perm"))
    permutation.assign(given->begin(), given->end());
  Shape sorted = permutation;
  llvm::sort(sorted);
  if (sorted != llvm::to_vector(llvm::seq<int64_t>(0, int64_t(rank))))
    return error(node) << "perm (" << nn::shapeText(permutation) << ") does not permute the "
                       << rank << " dimensions of " << nn::shapeText(nn::shapeOf(*input));
  give(node, Known{transpose(node, *input, permutation)});
  return success();
}

LogicalResult Importer::importPad(const Node &node) {
  auto input = value(node, 0);
  auto pads = numbers(node, 1, "pads");
  auto axes = numbers(node, 3, "");
  if (failed(input) || failed(pads) || failed(axes))
    return failure();
  const std::string *mode = node.find<std::string>("mode");
  bool isZero =
      !has(node, 2) || (known(node, 2).formula && known(node, 2).formula->asConstant() == 0.0);
  if ((mode && *mode != "constant") || !isZero)
    return error(node) << "only padding with zeros is supported";
  ArrayRef<int64_t> from = nn::shapeOf(*input);
  Shape places = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(from.size())));
  if (*axes)
    places.assign((*axes)->begin(), (*axes)->end());
  if (!*pads || (*pads)->size() != 2 * places.size())
    return error(node) << "there must be two paddings for each axis";
  Shape low(from.size(), 0), shape(from);
  for (auto [i, written] : llvm::enumerate(places)) {
    auto place = axis(node, written, from.size());
    if (failed(place))
      return failure();
    int64_t before = (**pads)[i], behind = (**pads)[i + places.size()];
    constexpr int64_t most = int64_t(1) << 31;
    if (before < 0 || behind < 0 || before > most || behind > most)
      return error(node) << "paddings of " << before << " and " << behind << " are not supported";
    low[size_t(*place)] = before;
    shape[size_t(*place)] = from[size_t(*place)] + before + behind;
  }
  auto result = pad(node, *input, low, shape);
  if (failed(result))
    return failure();
  give(node, Known{*result});
  return success();
}

LogicalResult Importer::importSlice(const Node &node) {
  auto input = value(node, 0);
  auto starts = numbers(node, 1, "starts"), ends = numbers(node, 2, "ends");
  auto axes = numbers(node, 3, "axes"), steps = numbers(node, 4, "");
  if (failed(input) || failed(starts) || failed(ends) || failed(axes) || failed(steps))
    return failure();
  if (!*starts || !*ends || (*starts)->size() != (*ends)->size() ||
      (*axes && (*axes)->size() != (*starts)->size()))
    return error(node) << "there must be a start and an end for each axis";
  for (int64_t step : steps->value_or(std::vector<int64_t>()))
    if (step != 1)
      return error(node) << "a step of " << step << " is not supported, only 1";
  Shape shape(nn::shapeOf(*input)), low(shape.size(), 0);
  for (size_t i = 0; i < (*starts)->size(); ++i) {
    auto place = axis(node, *axes ? (**axes)[i] : int64_t(i), shape.size());
    if (failed(place))
      return failure();
    int64_t size = nn::shapeOf(*input)[size_t(*place)];
    auto clamped = [&](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? (at < -size ? 0 : at + size) : at, 0, size);
    };
    int64_t start = clamped((**starts)[i]), end = clamped((**ends)[i]);
    if (end <= start)
      return error(node) << "nothing is left of axis " << *place << " of "
                         << nn::shapeText(nn::shapeOf(*input));
    low[size_t(*place)] = start;
    shape[size_t(*place)] = end - start;
  }
  give(node, Known{slice(node, *input, low, shape)});
  return success();
}
