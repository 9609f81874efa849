// Kernels compiled side by side: the same bytes for any number of threads, and what goes wrong in
// one of them is said once, in the order of the kernels.
#include "compiler/target/cpu/CompileKernels.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/ThreadPool.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

std::string kernel(const std::string &name, const std::string &body) {
  return "module { func.func @" + name +
         "(%out: memref<16xf32>, %call: index, %scratch: memref<1xf32>) {\n" + body +
         "  return\n} }\n";
}

std::string stores(const std::string &number) {
  return "  %value = arith.constant " + number + " : f32\n" +
         "  memref.store %value, %out[%call] : memref<16xf32>\n";
}

/// No pass lowers it, and LLVM IR has nothing like it.
const char *const unknown = "  \"nobody.knows\"() : () -> ()\n";

/// What compileKernels() made of `text` on `threads` threads, and what it said meanwhile.
struct Outcome {
  Expected<std::vector<std::string>> objects;
  std::vector<std::string> errors;
};

Outcome compile(const std::string &text, unsigned threads) {
  llvm::DefaultThreadPool pool(llvm::ThreadPoolStrategy{threads});
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, mlir::memref::MemRefDialect, mlir::arith::ArithDialect,
                  mlir::scf::SCFDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects();
  if (threads > 1)
    context.setThreadPool(pool);
  std::vector<std::string> errors;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    errors.push_back(diagnostic.str());
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return {Error(ExitCode::Internal, "the test's kernels do not parse"), errors};
  mlir::TimingScope untimed;
  auto objects = cpu::compileKernels(*module, cpu::hostIsa(), untimed);
  return {std::move(objects), errors};
}

TEST(CompileKernels, BytesDoNotDependOnThreads) {
  std::string text;
  for (int i = 0; i < 12; ++i) // the larger ones last: the order of work is not theirs
    text += kernel("k" + std::to_string(i), stores(std::to_string(i) + ".0"));
  Outcome alone = compile(text, 1), many = compile(text, 5);
  ASSERT_TRUE(alone.objects) << alone.objects.error().message();
  ASSERT_TRUE(many.objects) << many.objects.error().message();
  ASSERT_EQ(alone.objects->size(), 12u);
  EXPECT_EQ(*alone.objects, *many.objects);
  for (int i = 0; i < 12; ++i)
    EXPECT_NE((*many.objects)[i].find("k" + std::to_string(i)), std::string::npos) << i;
}

TEST(CompileKernels, ErrorsAreSaidOnceAndInOrder) {
  std::string text = kernel("good", stores("1.0")) + kernel("first_bad", unknown) +
                     kernel("second_bad", stores("2.0") + unknown) + kernel("fine", stores("3.0"));
  for (unsigned threads : {1, 4}) {
    Outcome outcome = compile(text, threads);
    ASSERT_FALSE(outcome.objects) << threads << " threads";
    std::string message = outcome.objects.error().message();
    EXPECT_NE(message.find("the kernel first_bad "), std::string::npos) << message;
    EXPECT_EQ(message.find("second_bad"), std::string::npos) << message;
    EXPECT_EQ(outcome.errors.size(), 2u) << threads << " threads"; // one for each bad kernel
    for (const std::string &error : outcome.errors)
      EXPECT_NE(error.find("nobody.knows"), std::string::npos) << error;
  }
}

TEST(LinkSharedObject, SaysWhatTheLinkerSays) {
  Expected<std::string> shared = cpu::linkSharedObject({std::string("no object file")});
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().code(), ExitCode::Internal);
  EXPECT_NE(shared.error().message().find("0.o"), std::string::npos) << shared.error().message();
}

} // namespace
