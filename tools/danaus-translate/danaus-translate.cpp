// Translates between our IR and other forms: --import-spec reads a model spec.
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "tools/lib/RegisterAll.h"

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"

static mlir::OwningOpRef<mlir::Operation *> importSpec(llvm::SourceMgr &sources,
                                                       mlir::MLIRContext *context) {
  mlir::FailureOr<danaus::spec::Spec> spec = danaus::spec::readSpec(sources, {}, context);
  if (mlir::failed(spec))
    return {};
  return danaus::importModel(*spec, context).release().getOperation();
}

int main(int argc, char **argv) {
  mlir::TranslateToMLIRRegistration registration("import-spec", "read a model spec (YAML)",
                                                 importSpec, danaus::registerAllDialects);
  return mlir::failed(mlir::mlirTranslateMain(argc, argv, "Danaus translation driver"));
}
