// What is computed while importing: shapes are known, so the arithmetic that exporters write around
// Reshape, Pad and Slice for an open batch dimension is arithmetic on integers here.
#include "compiler/onnx/Importer.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

/// Shape arithmetic is small; a file that wants more is broken or malicious.
static constexpr int64_t mostIntegers = 1 << 16;

namespace {
using Result = std::optional<Integers>;

int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 0 || llvm::MulOverflow(count, size, count) || count > mostIntegers)
      return -1;
  return count;
}

Result gather(const Integers &from, const Integers &places, int64_t axis) {
  if (from.shape.size() != 1 || axis != 0)
    return std::nullopt;
  Integers result{places.shape, {}};
  int64_t size = from.shape[0];
  if (int64_t(places.values.size()) > mostIntegers)
    return std::nullopt;
  for (int64_t place : places.values) {
    if (place < -size || place >= size)
      return std::nullopt;
    result.values.push_back(from.values[size_t(place < 0 ? place + size : place)]);
  }
  return result;
}

Result concat(ArrayRef<const Integers *> parts) {
  Integers result{{0}, {}};
  for (const Integers *part : parts) {
    if (part->shape.size() != 1 ||
        int64_t(result.values.size() + part->values.size()) > mostIntegers)
      return std::nullopt;
    llvm::append_range(result.values, part->values);
  }
  result.shape[0] = int64_t(result.values.size());
  return result;
}

/// Rows of a matrix, or elements of a list, from start to end in steps.
Result sliceRows(const Integers &from, int64_t start, int64_t end, int64_t step) {
  if (from.shape.empty() || step == 0 || from.shape[0] == 0)
    return std::nullopt;
  int64_t size = from.shape[0], width = int64_t(from.values.size()) / size;
  auto clamped = [&](int64_t at, int64_t least, int64_t most) {
    if (at < 0)
      at = at < -size ? least : at + size;
    return std::clamp(at, least, most);
  };
  Integers result{from.shape, {}};
  start = step > 0 ? clamped(start, 0, size) : clamped(start, 0, size - 1);
  end = step > 0 ? clamped(end, 0, size) : clamped(end, -1, size - 1);
  result.shape[0] = 0;
  for (int64_t row = start; step > 0 ? row < end : row > end;) {
    auto first = from.values.begin() + row * width;
    result.values.insert(result.values.end(), first, first + width);
    ++result.shape[0];
    if (llvm::AddOverflow(row, step, row))
      break;
  }
  return result;
}

Result transposeMatrix(const Integers &from) {
  if (from.shape.size() != 2)
    return from.shape.size() < 2 ? Result(from) : std::nullopt;
  int64_t rows = from.shape[0], columns = from.shape[1];
  Integers result{{columns, rows}, {}};
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t row = 0; row < rows; ++row)
      result.values.push_back(from.values[size_t(row * columns + column)]);
  return result;
}

Result arithmetic(StringRef op, const Integers &a, const Integers &b) {
  const Integers &longer = a.values.size() >= b.values.size() ? a : b;
  if (a.values.empty() || b.values.empty() || longer.shape.size() > 1 ||
      (a.values.size() != b.values.size() && std::min(a.values.size(), b.values.size()) != 1))
    return std::nullopt;
  Integers result{longer.shape, {}};
  for (size_t i = 0; i < longer.values.size(); ++i) {
    int64_t x = a.values[a.values.size() == 1 ? 0 : i], y = b.values[b.values.size() == 1 ? 0 : i];
    int64_t value = 0;
    if (op == "Div" && (y == 0 || (y == -1 && x == INT64_MIN)))
      return std::nullopt;
    bool overflow = op == "Add"   ? llvm::AddOverflow(x, y, value)
                    : op == "Sub" ? llvm::SubOverflow(x, y, value)
                    : op == "Mul" ? llvm::MulOverflow(x, y, value)
                    : op == "Div" ? (value = x / y, false)
                                  : (value = x == y, false); // Equal
    if (overflow)
      return std::nullopt;
    result.values.push_back(value);
  }
  return result;
}

Result where(const Integers &condition, const Integers &yes, const Integers &no) {
  if (condition.shape != yes.shape || yes.shape != no.shape)
    return std::nullopt;
  Integers result{yes.shape, {}};
  for (size_t i = 0; i < yes.values.size(); ++i)
    result.values.push_back((condition.values[i] ? yes : no).values[i]);
  return result;
}

/// The same values under another shape, one of whose sizes may be -1.
Result reshaped(const Integers &from, std::vector<int64_t> shape) {
  int64_t known = 1, count = int64_t(from.values.size());
  int64_t *open = nullptr;
  for (int64_t &size : shape)
    if (size == -1 && !open)
      open = &size;
    else if (size < 1 || llvm::MulOverflow(known, size, known))
      return std::nullopt;
  if (open && count % known == 0)
    *open = count / known;
  if (countOf(shape) != count)
    return std::nullopt;
  return Integers{shape, from.values};
}
} // namespace

std::optional<Integers> Importer::fold(const Node &node) const {
  SmallVector<const Integers *> in;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!has(node, i))
      return std::nullopt;
    in.push_back(known(node, i).integers ? &*known(node, i).integers : nullptr);
    if (!in.back())
      return std::nullopt;
  }
  if (in.empty())
    return std::nullopt;
  StringRef op = node.op;
  if (op == "Identity")
    return *in[0];
  if (op == "Gather")
    return gather(*in[0], *in[1], node.integer("axis", 0));
  if (op == "Concat")
    return node.integer("axis", 0) == 0 ? concat(in) : std::nullopt;
  if (op == "Transpose")
    return transposeMatrix(*in[0]);
  if (op == "Reshape")
    return reshaped(*in[0], in[1]->values);
  if (op == "Squeeze")
    return in[0]->values.size() == 1 ? Result(Integers{{}, in[0]->values}) : std::nullopt;
  if (op == "Unsqueeze")
    return in[0]->shape.empty() ? Result(Integers{{1}, in[0]->values}) : std::nullopt;
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Equal")
    return arithmetic(op, *in[0], *in[1]);
  if (op == "Where")
    return where(*in[0], *in[1], *in[2]);
  bool isSlice = op == "Slice" && in.size() >= 3;
  auto one = [&](size_t i, int64_t otherwise) {
    return i < in.size() && in[i]->values.size() == 1 ? in[i]->values[0] : otherwise;
  };
  if (isSlice && in[1]->values.size() == 1 && in[2]->values.size() == 1 && one(3, 0) == 0)
    return sliceRows(*in[0], in[1]->values[0], in[2]->values[0], one(4, 1));
  return std::nullopt;
}

LogicalResult Importer::importFolded(const Node &node) {
  return error(node) << "is supported on integers that are known before the model runs";
}

LogicalResult Importer::importConstant(const Node &node) {
  Known result;
  if (const Tensor *tensor = node.find<Tensor>("value")) {
    if (const auto *values = tensor->integers())
      result.integers = Integers{tensor->shape, *values};
    else if (tensor->floats()->size() == 1)
      result.formula = Formula::constant(tensor->floats()->front());
    else
      return error(node) << "a tensor of " << tensor->floats()->size()
                         << " floats; weights must be initializers (keep_initializers)";
  } else if (const auto *numbers = node.find<std::vector<int64_t>>("value_ints")) {
    result.integers = Integers{{int64_t(numbers->size())}, *numbers};
  } else if (const auto *number = node.find<int64_t>("value_int")) {
    result.integers = Integers{{}, {*number}};
  } else if (const auto *number = node.find<float>("value_float")) {
    result.formula = Formula::constant(*number);
  } else {
    return error(node) << "holds neither a tensor nor numbers";
  }
  give(node, std::move(result));
  return success();
}

LogicalResult Importer::importShapeOf(const Node &node) {
  const Known &entry = known(node, 0);
  Integers result;
  if (entry.value)
    result.values.assign(nn::shapeOf(entry.value).begin(), nn::shapeOf(entry.value).end());
  else if (entry.tensor)
    result.values = entry.tensor->shape;
  else if (entry.integers)
    result.values = entry.integers->shape;
  else if (entry.formula && entry.formula->base())
    llvm::append_range(result.values, nn::shapeOf(entry.formula->base()));
  else if (!entry.formula)
    return error(node) << "the shape of a part of attention, or of what Expand gives, is not told";
  int64_t rank = int64_t(result.values.size());
  auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = place(node.integer("start", 0)), end = place(node.integer("end", rank));
  std::vector<int64_t> part;
  for (int64_t i = start; i < end; ++i)
    part.push_back(result.values[size_t(i)]);
  give(node, {.integers = Integers{{int64_t(part.size())}, part}});
  return success();
}

LogicalResult Importer::importConstantOfShape(const Node &node) {
  auto shape = integers(node, 0);
  if (failed(shape))
    return failure();
  const Tensor *filling = node.find<Tensor>("value");
  int64_t count = countOf(shape->values);
  if (!filling || !filling->integers() || filling->integers()->size() != 1 || count < 0)
    return error(node) << "only small tensors of integers are made";
  give(node,
       {.integers = Integers{shape->values,
                             std::vector<int64_t>(size_t(count), filling->integers()->front())}});
  return success();
}

/// Between float types nothing changes; a single integer may become a float.
LogicalResult Importer::importCast(const Node &node) {
  constexpr int64_t toFloat = 1, toInt32 = 6, toInt64 = 7, toDouble = 11;
  int64_t to = node.integer("to", 0);
  if (node.op == "CastLike")
    to = known(node, 1).integers ? toInt64 : toFloat;
  const Known &entry = known(node, 0);
  bool isInteger = entry.integers.has_value(), becomesFloat = to == toFloat || to == toDouble;
  if (isInteger ? to == toInt32 || to == toInt64 : becomesFloat) {
    give(node, Known(entry));
    return success();
  }
  if (isInteger && becomesFloat && entry.integers->values.size() == 1) {
    give(node, {.formula = Formula::constant(double(entry.integers->values[0]))});
    return success();
  }
  return error(node) << "casts between float32 and float64, and of integers, are supported";
}
