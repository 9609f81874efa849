// Errors, locations, limits and parameters of the importer.
#include "compiler/import/ModelContext.h"

#include "compiler/import/ReadSpec.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Mark;

Init Init::fanIn(int64_t n) { return {"uniform", 1.0 / std::sqrt(double(n))}; }

InFlightDiagnostic ModelContext::error(ArrayRef<Mark> marks) const {
  for (Mark mark : marks)
    if (mark.written())
      return emitError(locationOf(mark));
  return emitError(locationOf(spec.model));
}

Location ModelContext::locationOf(Mark mark) const { return spec::locationOf(spec, mark, context); }

Location ModelContext::locationOf(StringRef name, Mark mark) const {
  return NameLoc::get(StringAttr::get(context, name), locationOf(mark));
}

FailureOr<RankedTensorType> ModelContext::tensorOf(ArrayRef<int64_t> shape, ArrayRef<Mark> marks,
                                                   const Twine &what) const {
  int64_t elements = 1;
  for (int64_t size : shape) {
    if (size < 1)
      return error(marks) << what << " would be " << nn::shapeText(shape)
                          << "; every dimension must be at least 1";
    if (llvm::MulOverflow(elements, size, elements) || elements > maxElements)
      return error(marks) << what << " would be " << nn::shapeText(shape) << ", more than 2^31 ("
                          << maxElements << ") elements";
  }
  return nn::tensorOf(context, shape);
}

FailureOr<Value> ModelContext::addParameter(const Twine &name, ArrayRef<int64_t> shape, Init init,
                                            Mark mark, Decay decay) {
  std::string text = name.str();
  FailureOr<RankedTensorType> type = tensorOf(shape, {mark}, "parameter " + text);
  if (failed(type))
    return failure();
  parameterCount += type->getNumElements();
  if (parameterCount > maxParameters)
    return error(mark) << "with " << text << " the model has " << parameterCount
                       << " parameters, more than 2^40 (" << maxParameters << ")";
  NamedAttrList attributes;
  attributes.append(nn::InitAttr,
                    builder.getDictionaryAttr(
                        {builder.getNamedAttr("kind", builder.getStringAttr(init.kind)),
                         builder.getNamedAttr("scale", builder.getF64FloatAttr(init.scale))}));
  if (decay == Decay::Matrices && shape.size() >= 2)
    attributes.append(nn::DecayAttr, builder.getUnitAttr());
  return addArgument(text, "parameter", *type, locationOf(text, mark), attributes);
}

Value ModelContext::addArgument(StringRef name, StringRef role, Type type, Location location,
                                NamedAttrList attributes) {
  attributes.append(nn::NameAttr, builder.getStringAttr(name));
  attributes.append(nn::RoleAttr, builder.getStringAttr(role));
  argumentAttributes.push_back(attributes.getDictionary(context));
  return body->addArgument(type, location);
}
