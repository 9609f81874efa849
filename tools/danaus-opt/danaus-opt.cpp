// danaus-opt: reads IR, runs the passes named on the command line, prints IR.
#include "tools/lib/RegisterAll.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  danaus::registerAllDialects(registry);
  danaus::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Danaus optimizer driver\n", registry));
}
