// Operators that take tensors apart and put them together: tokens, heads, the class token.
#include "compiler/onnx/Importer.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

/// One element of an axis, as in tokens[:, 0].
LogicalResult Importer::importGather(const Node &node) {
  auto input = value(node, 0);
  auto index = integers(node, 1);
  if (failed(input) || failed(index))
    return failure();
  Shape shape(nn::shapeOf(*input)), low(shape.size(), 0);
  auto place = axis(node, node.integer("axis", 0), shape.size());
  if (failed(place))
    return failure();
  int64_t size = shape[size_t(*place)];
  if (!index->shape.empty() || index->values[0] < -size || index->values[0] >= size)
    return error(node) << "only one index (a scalar within 0 to " << size - 1 << ") is supported";
  low[size_t(*place)] = index->values[0] < 0 ? index->values[0] + size : index->values[0];
  shape[size_t(*place)] = 1;
  Value part = slice(node, *input, low, shape);
  shape.erase(shape.begin() + *place);
  give(node, Known{reshape(node, part, shape)});
  return success();
}

/// Equal or given parts of an axis, each a result.
LogicalResult Importer::importSplit(const Node &node) {
  auto input = value(node, 0);
  auto given = numbers(node, 1, "split");
  if (failed(input) || failed(given))
    return failure();
  Shape shape(nn::shapeOf(*input)), low(shape.size(), 0);
  auto place = axis(node, node.integer("axis", 0), shape.size());
  if (failed(place))
    return failure();
  int64_t size = shape[size_t(*place)], parts = int64_t(node.outputs.size()), sum = 0;
  std::vector<int64_t> sizes = given->value_or(std::vector<int64_t>(size_t(parts), size / parts));
  for (int64_t each : sizes)
    sum = each < 1 || each > size ? -1 : sum < 0 ? sum : sum + each;
  if (sum != size || int64_t(sizes.size()) != parts)
    return error(node) << "an axis of " << size << " cannot be split into " << parts
                       << " parts like that";
  for (auto [name, part] : llvm::zip_equal(node.outputs, sizes)) {
    shape[size_t(*place)] = part;
    if (!name.empty())
      names[name] = Known{slice(node, *input, low, shape)};
    low[size_t(*place)] += part;
  }
  return success();
}

/// A parameter that every sample gets, for Concat and Add; or nothing at all.
LogicalResult Importer::importExpand(const Node &node) {
  auto input = value(node, 0);
  auto wanted = integers(node, 1);
  if (failed(input) || failed(wanted))
    return failure();
  ArrayRef<int64_t> from = nn::shapeOf(*input), to = wanted->values;
  auto isKept = [&](ArrayRef<int64_t> sizes, ArrayRef<int64_t> asked) {
    return sizes.size() == asked.size() &&
           llvm::all_of(llvm::zip_equal(sizes, asked), [](auto pair) {
             return std::get<1>(pair) == 1 || std::get<0>(pair) == std::get<1>(pair);
           });
  };
  if (isKept(from, to)) {
    give(node, Known{*input});
    return success();
  }
  bool isRepeated = from.size() >= 2 && from.front() == 1 && !to.empty() &&
                    to.front() == model.spec.train.microBatch() &&
                    isKept(from.drop_front(), to.drop_front());
  if (!isRepeated)
    return error(node) << "only repeating a tensor (1, ...) over the batch is supported, not "
                       << nn::shapeText(from) << " as (" << nn::shapeText(to) << ")";
  give(node, {.repeated = *input});
  return success();
}

/// Checks that the parts are equal beside `place`; the shape of the whole.
static std::optional<SmallVector<int64_t>> joinedShape(ArrayRef<SmallVector<int64_t>> shapes,
                                                       size_t place) {
  SmallVector<int64_t> whole = shapes.front();
  whole[place] = 0;
  for (SmallVector<int64_t> shape : shapes) {
    int64_t size = shape.size() == whole.size() ? std::exchange(shape[place], whole[place]) : 0;
    if (shape != whole)
      return std::nullopt;
    whole[place] += size;
  }
  return whole;
}

LogicalResult Importer::importConcat(const Node &node) {
  SmallVector<Part> parts;
  SmallVector<Shape> shapes;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!has(node, i))
      return error(node) << "input " << i << " is missing";
    Value repeated = known(node, i).repeated;
    auto part = repeated ? FailureOr<Value>(repeated) : value(node, i);
    if (failed(part))
      return failure();
    parts.push_back({*part, bool(repeated)});
    shapes.emplace_back(nn::shapeOf(*part));
    if (repeated)
      shapes.back().front() = model.spec.train.microBatch();
  }
  auto place = axis(node, node.integer("axis", 0), shapes.front().size());
  if (failed(place))
    return failure();
  std::optional<Shape> whole = joinedShape(shapes, size_t(*place));
  if (!whole)
    return error(node) << "the inputs differ beside axis " << *place;
  size_t repeated = size_t(llvm::count_if(parts, [](const Part &part) { return part.isRepeated; }));
  if (repeated == parts.size() || (repeated && *place == 0))
    return error(node) << "only a part of what is joined may be repeated over the batch";
  auto sum = join(node, parts, size_t(*place), *whole);
  if (failed(sum))
    return failure();
  give(node, Known{*sum});
  return success();
}

/// The sum of the parts, each padded with zeros to the whole. What is repeated is added last: a sum
/// repeats its right side.
FailureOr<Value> Importer::join(const Node &node, ArrayRef<Part> parts, size_t place,
                                ArrayRef<int64_t> whole) {
  Value sum;
  for (bool repeats : {false, true}) {
    Shape low(whole.size(), 0);
    for (const Part &part : parts) {
      ArrayRef<int64_t> shape = nn::shapeOf(part.value), to = whole, from = low;
      int64_t size = shape[place];
      Value x = part.value;
      if (repeats) { // without the dimension that is repeated
        to = to.drop_front(), from = from.drop_front(), shape = shape.drop_front();
        x = part.isRepeated ? reshape(node, x, shape) : x;
      }
      if (part.isRepeated == repeats) {
        auto padded = pad(node, x, from, to);
        if (failed(padded))
          return failure();
        sum = sum ? nn::AddOp::create(model.builder, locationOf(node), sum.getType(), sum, *padded)
                  : *padded;
      }
      low[place] += size;
    }
  }
  return sum;
}
