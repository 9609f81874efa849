// The nn dialect: what a model means, before any decision about memory or machines.
#ifndef DANAUS_NN_DIALECT_TD
#define DANAUS_NN_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/nn/NNInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::danaus::nn";
  let summary = "neural-network layers, losses and optimizer steps on statically shaped tensors";
  let description = [{
    Operations have value semantics on ranked, statically shaped tensors; the batch size is a
    compile-time constant and stands first. Names are the field's: a weight is (out, in) as in
    PyTorch. Each operation lists its constraints as (C1), (C2), ...; the verifier and the tests quote
    those numbers.

    Functions carry their interface in argument attributes: `nn.name` (a string), `nn.role`
    ("parameter", "state", "input", "label", "control", "mix_label", "mix_weight"), and for parameters `nn.init` (a dictionary
    {kind, scale}) and `nn.decay` (unit: takes part in weight decay).
  }];
}

class NN_Op<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic, !listconcat(traits, [Pure])>;

def NN_Tensor : StaticShapeTensorOf<[F32]>;
/// What only moves may also be stored in 16 bits (nn-form-kernels).
def NN_Stored : StaticShapeTensorOf<[F32, BF16, F16]>;
def NN_Labels : 1DTensorOf<[I32]>;

#endif
