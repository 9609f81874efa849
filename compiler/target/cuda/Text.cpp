// See Text.h.
#include "compiler/target/cuda/Text.h"

#include "compiler/lower/SpecPlaces.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

std::string cuda::printSum(const AccessSum &sum, Names names) {
  std::string text;
  auto append = [&](const Twine &term) { text += (text.empty() ? "" : " + ") + term.str(); };
  for (const AccessTerm &term : sum.terms) {
    const std::string &name = names[term.dim];
    if (name == "0")
      continue;
    std::string number = std::to_string(term.group);
    std::string factor = term.kind == AccessTerm::Plain ? name
                         : term.kind == AccessTerm::Mod ? "(" + name + ") % " + number
                                                        : "(" + name + ") / " + number;
    if (term.kind == AccessTerm::Plain && name.find(' ') != std::string::npos)
      factor = "(" + name + ")";
    else if (term.kind != AccessTerm::Plain)
      factor = "(" + factor + ")";
    append(term.coefficient == 1 ? Twine(factor) : Twine(factor) + " * " + Twine(term.coefficient));
  }
  if (sum.constant != 0 || text.empty())
    append(Twine(sum.constant));
  return text;
}

StringRef cuda::typeName(Type type) {
  if (type.isF32())
    return "float";
  if (type.isBF16())
    return "bf16";
  if (type.isF16())
    return "f16";
  if (type.isInteger(64))
    return "unsigned long long";
  return type.isInteger(1) ? "bool" : "int";
}

StringRef Operand::type() const { return typeName(element); }

std::string Operand::guard(Names names) const {
  std::string text;
  for (const AccessGuard &guard : access.guards) {
    // As unsigned numbers, what is negative is large.
    std::string own =
        "unsigned(" + printSum(guard.sum, names) + ") < " + std::to_string(guard.extent) + "u";
    text += (text.empty() ? "" : " && ") + own;
  }
  return text;
}

std::string Operand::load(Names names) const {
  std::string element = pointer + "[" + place(names) + "]", condition = guard(names);
  return condition.empty() ? element
                           : "(" + condition + " ? " + element + " : " + type().str() + "(0))";
}

std::string Operand::store(Names names, const Twine &value) const {
  std::string condition = guard(names);
  return (condition.empty() ? "" : "if (" + condition + ") ") + pointer + "[" + place(names) +
         "] = " + value.str() + ";";
}

FailureOr<Operand> cuda::operandOf(Operation *op, StringRef pointer, Value tensor, AffineMap map,
                                   ArrayRef<int64_t> sizes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  std::optional<Access> access = Access::of(map, type.getShape(), sizes);
  if (!access)
    return op->emitOpError() << "has no CUDA code: " << AffineMapAttr::get(map)
                             << " is not a sum of dimensions";
  return Operand{pointer.str(), *access, type.getElementType()};
}

std::string cuda::printNumber(double value) {
  float number = float(value);
  if (std::isinf(number))
    return number > 0 ? "infinity()" : "-infinity()";
  if (std::isnan(number))
    return "quietNaN()";
  char plain[64];
  snprintf(plain, sizeof(plain), "%.9g", double(number));
  std::string text = plain;
  if (text.find_first_of(".e") == std::string::npos)
    text += ".0";
  text += "f";
  return number < 0 ? "(" + text + ")" : text;
}

std::string ScalarPrinter::use(Value value) {
  auto known = names.find(value);
  if (known != names.end())
    return known->second;
  std::string text = definitions.lookup(value);
  if (text.empty())
    text = expression(*value.getDefiningOp());
  if (value.getDefiningOp<arith::ConstantOp>())
    return names[value] = text;
  std::string name = prefix + std::to_string(count++);
  lines.add("const " + typeName(value.getType()) + " " + name + " = " + text + ";");
  return names[value] = name;
}

/// The C++ operator of an operation with two operands; empty where it is none. Integers of the
/// dialects have no sign: those that need one are cast.
static StringRef operatorOf(Operation &op) {
  return llvm::TypeSwitch<Operation *, StringRef>(&op)
      .Case<arith::AddFOp, arith::AddIOp>([](auto) { return "+"; })
      .Case<arith::SubFOp, arith::SubIOp>([](auto) { return "-"; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return "*"; })
      .Case<arith::DivFOp>([](auto) { return "/"; })
      .Case<arith::AndIOp>([](auto) { return "&"; })
      .Case<arith::OrIOp>([](auto) { return "|"; })
      .Case<arith::XOrIOp>([](auto) { return "^"; })
      .Default([](Operation *) { return ""; });
}

static StringRef functionOf(Operation &op) {
  return llvm::TypeSwitch<Operation *, StringRef>(&op)
      .Case([](math::ExpOp) { return "expf"; })
      .Case([](math::LogOp) { return "logf"; })
      .Case([](math::SqrtOp) { return "sqrtf"; })
      .Case([](math::ErfOp) { return "erff"; })
      .Case([](math::TanhOp) { return "tanhf"; })
      .Case([](math::AbsFOp) { return "fabsf"; })
      .Case([](arith::MaximumFOp) { return "maximum"; })
      .Case([](arith::MinimumFOp) { return "minimum"; })
      .Case([](arith::MaxNumFOp) { return "fmaxf"; })
      .Case([](arith::MinNumFOp) { return "fminf"; })
      .Default([](Operation *) { return ""; });
}

static std::string comparison(arith::CmpFOp op, StringRef a, StringRef c) {
  using P = arith::CmpFPredicate;
  auto with = [&](StringRef sign) { return (a + " " + sign + " " + c).str(); };
  switch (op.getPredicate()) {
  case P::OEQ:
    return with("==");
  case P::OGT:
    return with(">");
  case P::OGE:
    return with(">=");
  case P::OLT:
    return with("<");
  case P::OLE:
    return with("<=");
  case P::UNE:
    return with("!=");
  case P::UNO:
    return a == c ? with("!=") : (a + " != " + a + " || " + c + " != " + c).str();
  default:
    return "";
  }
}

static std::string comparison(arith::CmpIOp op, StringRef a, StringRef c) {
  using P = arith::CmpIPredicate;
  auto with = [&](StringRef sign, bool isUnsigned = false) {
    StringRef cast = isUnsigned ? "unsigned" : "";
    return (cast + "(" + a + ") " + sign + " " + cast + "(" + c + ")").str();
  };
  switch (op.getPredicate()) {
  case P::eq:
    return with("==");
  case P::ne:
    return with("!=");
  case P::slt:
    return with("<");
  case P::sle:
    return with("<=");
  case P::sgt:
    return with(">");
  case P::sge:
    return with(">=");
  case P::ult:
    return with("<", true);
  case P::ule:
    return with("<=", true);
  case P::ugt:
    return with(">", true);
  case P::uge:
    return with(">=", true);
  }
  return "";
}

static std::string constant(arith::ConstantOp op) {
  if (auto number = dyn_cast<FloatAttr>(op.getValue()))
    return printNumber(number.getValueAsDouble());
  auto integer = cast<IntegerAttr>(op.getValue());
  if (integer.getType().isInteger(1))
    return integer.getValue().isZero() ? "false" : "true";
  if (integer.getType().isInteger(64))
    return std::to_string(integer.getValue().getZExtValue()) + "ull";
  return "int(" + std::to_string(uint32_t(integer.getValue().getZExtValue())) + "u)";
}

std::string ScalarPrinter::expression(Operation &op) {
  if (auto number = dyn_cast<arith::ConstantOp>(op))
    return constant(number);
  SmallVector<std::string> args;
  for (Value operand : op.getOperands())
    args.push_back(use(operand));
  auto unsignedType = [&](Value value) {
    return value.getType().isInteger(64) ? std::string("") : std::string("unsigned");
  };
  std::string text =
      llvm::TypeSwitch<Operation *, std::string>(&op)
          .Case([&](arith::CmpFOp cmp) { return comparison(cmp, args[0], args[1]); })
          .Case([&](arith::CmpIOp cmp) { return comparison(cmp, args[0], args[1]); })
          .Case([&](arith::SelectOp) { return args[0] + " ? " + args[1] + " : " + args[2]; })
          .Case([&](arith::NegFOp) { return "-" + args[0]; })
          .Case([&](arith::SIToFPOp) { return "float(" + args[0] + ")"; })
          .Case([&](arith::ShRUIOp) {
            return unsignedType(op.getOperand(0)) + "(" + args[0] + ") >> " + args[1];
          })
          .Case([&](arith::DivUIOp) {
            return unsignedType(op.getOperand(0)) + "(" + args[0] + ") / " +
                   unsignedType(op.getOperand(0)) + "(" + args[1] + ")";
          })
          .Case([&](arith::ExtUIOp) { return "(unsigned long long)(unsigned(" + args[0] + "))"; })
          .Case([&](arith::TruncIOp) { return "int(unsigned(" + args[0] + "))"; })
          .Case([&](arith::TruncFOp trunc) {
            return (typeName(trunc.getType()) + "(" + args[0] + ")").str();
          })
          .Case([&](arith::ExtFOp) { return "float(" + args[0] + ")"; })
          .Case([&](arith::BitcastOp cast) {
            return (cast.getType().isF32() ? "__int_as_float(" : "__float_as_int(") + args[0] + ")";
          })
          .Default([&](Operation *) -> std::string {
            if (StringRef sign = operatorOf(op); !sign.empty())
              return (args[0] + " " + sign + " " + args[1]).str();
            if (StringRef function = functionOf(op); !function.empty())
              return (function + "(" + llvm::join(args, ", ") + ")").str();
            return "";
          });
  if (text.empty()) {
    op.emitOpError("has no CUDA code");
    hasFailed = true;
    return "0";
  }
  return text;
}

std::string cuda::describe(Location loc) {
  SpecPlaces from(loc);
  std::string text = llvm::join(from.names, ", ");
  if (from.lines.empty())
    return text;
  auto numbers = llvm::map_range(from.lines, [](unsigned line) { return std::to_string(line); });
  return text + (text.empty() ? "" : " ") + "(" + llvm::sys::path::filename(from.file).str() + ":" +
         llvm::join(numbers, ", ") + ")";
}
