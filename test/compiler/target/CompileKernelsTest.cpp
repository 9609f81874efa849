// Kernels compiled side by side: the same bytes for any number of threads, and what goes wrong in
// one of them is said once, in the order of the kernels.
#include "compiler/target/cpu/CompileKernels.h"
#include "compiler/target/cpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "test/runtime/support/TempFolder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
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

/// A module at stage plan with one kernel, which copies.
std::string planned(const std::string &name, const std::string &more = "") {
  return "func.func private @" + name +
         "(%x: tensor<4x8xf32>) -> tensor<8x4xf32> attributes {plan.kind = \"copy\"" + more +
         "} {\n  %y = kernel.copy %x map affine_map<(d0, d1) -> (d1, d0)> : tensor<4x8xf32> -> "
         "tensor<8x4xf32>\n  return %y : tensor<8x4xf32>\n}\n";
}

class KernelObjectsTest : public ::testing::Test {
protected:
  mlir::func::FuncOp parse(const std::string &text) {
    context.loadDialect<mlir::func::FuncDialect, mlir::memref::MemRefDialect,
                        mlir::arith::ArithDialect, mlir::scf::SCFDialect, kernel::KernelDialect,
                        mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect>();
    modules.push_back(mlir::parseSourceString<mlir::ModuleOp>(text, &context));
    return modules.back() ? cpu::kernelsOf(*modules.back()).front() : mlir::func::FuncOp();
  }
  std::string objectOf(mlir::func::FuncOp function, const cpu::KernelObjects &known) {
    mlir::TimingScope untimed;
    auto objects = cpu::objectsOf(function->getParentOfType<mlir::ModuleOp>(), isa, known, untimed);
    EXPECT_TRUE(objects) << (objects ? "" : objects.error().message());
    return objects && objects->size() == 1 ? objects->front() : "";
  }
  static std::string linked(const std::string &object) {
    auto shared = cpu::linkSharedObject({object});
    EXPECT_TRUE(shared);
    return shared ? *shared : "";
  }

  test::TempFolder folder;
  const cpu::Isa &isa = *cpu::isaNamed("baseline");
  cpu::KernelObjects known{folder.path(), "compiler"}, none{"", ""};
  mlir::MLIRContext context;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
};

TEST_F(KernelObjectsTest, AKernelIsCompiledOnce) {
  auto first = parse(planned("copy_0")), again = parse(planned("copy_0"));
  ASSERT_TRUE(first && again);
  std::string object = objectOf(first, known), key = known.keyOf(again, isa);
  EXPECT_EQ(object, objectOf(parse(planned("copy_0")), none));
  EXPECT_EQ(objectOf(again, known), object);
  EXPECT_EQ(again->getAttr(plan::TilesAttr), first->getAttr(plan::TilesAttr));
  EXPECT_EQ(again->getAttr(plan::ScratchAttr), first->getAttr(plan::ScratchAttr));
  known.keep(key, first, "kept by the test");
  EXPECT_EQ(objectOf(parse(planned("copy_0")), known), "kept by the test");
}

TEST_F(KernelObjectsTest, WhatAKernelDependsOnIsInItsKey) {
  auto key = [&](const std::string &text) { return known.keyOf(parse(text), isa); };
  std::string plain = key(planned("copy_0"));
  EXPECT_EQ(key(planned("copy_12")), plain);
  EXPECT_NE(key(planned("copy_0", ", more")), plain);
  auto kernel = parse(planned("copy_0"));
  EXPECT_NE(known.keyOf(kernel, *cpu::isaNamed("avx2")), plain);
  EXPECT_NE(cpu::KernelObjects(folder.path(), "another").keyOf(kernel, isa), plain);
}

TEST_F(KernelObjectsTest, ARenumberedKernelIsTheSameCode) {
  std::string object = objectOf(parse(planned("copy_0")), known);
  std::string renamed = objectOf(parse(planned("copy_123")), known);
  EXPECT_NE(renamed.find("copy_123"), std::string::npos);
  EXPECT_EQ(renamed.find("copy_0"), std::string::npos);
  EXPECT_EQ(linked(renamed), linked(objectOf(parse(planned("copy_123")), none)));
}

TEST_F(KernelObjectsTest, DamagedObjectsAreCompiledAgain) {
  auto kernel = parse(planned("copy_0"));
  std::string object = objectOf(kernel, known), key = known.keyOf(parse(planned("copy_0")), isa);
  std::string path = folder / (key + ".dno"), whole = test::readText(path);
  ASSERT_FALSE(whole.empty());
  for (size_t i = 0; i < whole.size(); i += 13) {
    std::string changed = whole;
    changed[i] = char(changed[i] ^ 0x40);
    test::writeText(path, changed);
    EXPECT_FALSE(known.find(key, kernel)) << "byte " << i;
    test::writeText(path, whole.substr(0, i));
    EXPECT_FALSE(known.find(key, kernel)) << "length " << i;
  }
  EXPECT_EQ(objectOf(parse(planned("copy_0")), known), object);
  EXPECT_EQ(test::readText(path), whole);
}

TEST(LinkSharedObject, SaysWhatTheLinkerSays) {
  Expected<std::string> shared = cpu::linkSharedObject({std::string("no object file")});
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().code(), ExitCode::Internal);
  EXPECT_NE(shared.error().message().find("0.o"), std::string::npos) << shared.error().message();
}

} // namespace
