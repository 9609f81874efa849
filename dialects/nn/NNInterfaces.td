// The interfaces by which passes treat nn operations without knowing them.
#ifndef DANAUS_NN_INTERFACES_TD
#define DANAUS_NN_INTERFACES_TD

include "mlir/IR/OpBase.td"

def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::danaus::nn";
  let description = [{
    An operation that knows its own rule of differentiation. The pass nn-differentiate walks a
    forward function backwards and asks each operation for the gradients of its operands.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the gradients of the operands from those of the results. `resultGradients` has one
        entry per result, null where nothing depends on it. `operandGradients` has one entry per operand;
        only those with `wanted[i]` need to be set. Null means: no gradient (an integer operand).
      }],
      "void", "buildBackward",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$resultGradients,
           "const ::llvm::BitVector &":$wanted,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$operandGradients)>
  ];
}

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::danaus::nn";
  let description = [{The arithmetic that the field counts as a layer's cost.}];
  let methods = [
    InterfaceMethod<"Multiply-accumulates of the whole operation (all rows of the batch).",
      "int64_t", "getMacs", (ins)>
  ];
}

def StructuredLinearOpInterface : OpInterface<"StructuredLinearOpInterface"> {
  let cppNamespace = "::danaus::nn";
  let description = [{
    A linear layer whose weight is a product of factors. A kind states its shape and how it is made of
    contractions; gradients, kernels and costs follow from those, so that a new kind needs no more code.
    A layer is y = f(x; factors) + bias, with x (rows, in) and y (rows, out).
  }];
  let methods = [
    InterfaceMethod<"Input features.", "int64_t", "getInFeatures", (ins)>,
    InterfaceMethod<"Output features.", "int64_t", "getOutFeatures", (ins)>,
    InterfaceMethod<"What `danaus summary` prints: \"monarch N=4\".", "std::string",
      "describeStructure", (ins)>,
    InterfaceMethod<"Elements of all factors, bias included.", "int64_t", "getParameterCount", (ins)>,
    InterfaceMethod<[{Builds the layer from nn.contract operations (and the bias addition) and
        returns its result; the operation itself is left for the caller to replace.}],
      "::mlir::Value", "buildContractions", (ins "::mlir::OpBuilder &":$builder)>
  ];
}

#endif
