// Short spellings of float32 arithmetic at one place, for the files that write kernels' regions.
#pragma once

#include "dialects/kernel/Kernel.h"

#include "mlir/IR/Builders.h"

namespace danaus {

struct Scalar {
  mlir::OpBuilder &builder;
  mlir::Location loc;

  mlir::Value number(double value) {
    return mlir::arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
  }
  /// A 16-bit number in float32; others as they are.
  mlir::Value widened(mlir::Value v) {
    if (!v.getType().isF16() && !v.getType().isBF16())
      return v;
    return mlir::arith::ExtFOp::create(builder, loc, builder.getF32Type(), v);
  }
  mlir::Value add(mlir::Value a, mlir::Value b) {
    return mlir::arith::AddFOp::create(builder, loc, a, b);
  }
  mlir::Value sub(mlir::Value a, mlir::Value b) {
    return mlir::arith::SubFOp::create(builder, loc, a, b);
  }
  mlir::Value mul(mlir::Value a, mlir::Value b) {
    return mlir::arith::MulFOp::create(builder, loc, a, b);
  }
  mlir::Value div(mlir::Value a, mlir::Value b) {
    return mlir::arith::DivFOp::create(builder, loc, a, b);
  }
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b) {
    return mlir::arith::SelectOp::create(builder, loc, condition, a, b);
  }
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a, mlir::Value b) {
    return mlir::arith::CmpFOp::create(builder, loc, predicate, a, b);
  }
  mlir::Value reduce(kernel::ReduceKind kind, mlir::Value v) {
    return kernel::RowReduceOp::create(builder, loc, v.getType(), kind, v);
  }
  mlir::Value rowSum(mlir::Value v) { return reduce(kernel::ReduceKind::Add, v); }
};

} // namespace danaus
