// The fixture of the reference interpreter's tests: runs a function given as text.
#pragma once

#include "test/lib/reference/Testing.h"

#include "mlir/IR/Diagnostics.h"
#include "gtest/gtest.h"

namespace danaus::test {

class InterpreterTest : public testing::Test {
protected:
  reference::NNContext context;
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler{&context, [this](mlir::Diagnostic &diagnostic) {
                                          diagnostics += diagnostic.str() + "\n";
                                          return llvm::success();
                                        }};

  /// The results of the first function of `text`; failure where it does not parse, verify or run.
  llvm::FailureOr<llvm::SmallVector<reference::Tensor>>
  run(const std::string &text, llvm::ArrayRef<reference::Tensor> arguments) {
    mlir::OwningOpRef<mlir::ModuleOp> module = reference::parse(context, text);
    if (!module)
      return llvm::failure();
    return reference::interpret(*module->getOps<mlir::func::FuncOp>().begin(), arguments);
  }
};

} // namespace danaus::test
