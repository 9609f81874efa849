// One module for each phase of a spec, and whether the phases make sense together.
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "dialects/nn/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace danaus;

/// Whether two phases have the same parameters: names and shapes tell every structure.
static bool haveSameStructure(ModuleOp a, ModuleOp b) {
  auto forward = [](ModuleOp module) { return module.lookupSymbol<func::FuncOp>("forward"); };
  func::FuncOp first = forward(a), second = forward(b);
  if (first.getFunctionType() != second.getFunctionType())
    return false;
  for (unsigned i = 0; i < first.getNumArguments(); ++i)
    if (first.getArgAttr(i, nn::NameAttr) != second.getArgAttr(i, nn::NameAttr))
      return false;
  return true;
}

/// The structure section is for the phases that have none of their own.
static LogicalResult checkSectionIsUsed(const spec::Spec &spec, MLIRContext *context) {
  if (spec.structure.empty() || spec.train.phases.empty())
    return success();
  for (const spec::Phase &phase : spec.train.phases)
    if (!phase.structure)
      return success();
  return emitError(spec::locationOf(spec, spec.structure.front().mark, context))
         << "no phase uses the section 'structure': every one has its own; leave `structure` out "
            "in "
            "the phase that shall use it";
}

std::vector<OwningOpRef<ModuleOp>> danaus::importPhases(const spec::Spec &spec,
                                                        MLIRContext *context) {
  if (failed(checkSectionIsUsed(spec, context)))
    return {};
  std::vector<OwningOpRef<ModuleOp>> modules;
  for (size_t i = 0; i < spec.phaseCount(); ++i) {
    modules.push_back(importModel(spec.ofPhase(i), context));
    if (!modules.back())
      return {};
    if (i == 0 || !haveSameStructure(*modules[i - 1], *modules[i]) ||
        spec.ofPhase(i).choosesRanks() || spec.ofPhase(i - 1).choosesRanks())
      continue;
    const spec::Phase &phase = spec.train.phases[i], &before = spec.train.phases[i - 1];
    if (phase.lrScale.value_or(spec.train.lrScale) != before.lrScale.value_or(spec.train.lrScale))
      continue;
    emitError(spec::locationOf(spec, phase.mark, context))
        << "this phase changes nothing: it has the structure and the lr_scale of the one before; "
           "make one phase of the two, with epochs: "
        << before.epochs + phase.epochs;
    return {};
  }
  return modules;
}
