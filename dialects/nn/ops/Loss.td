// Losses and the metrics of a batch.
#ifndef DANAUS_NN_LOSS_TD
#define DANAUS_NN_LOSS_TD

include "dialects/nn/NNDialect.td"

def NN_CrossEntropyLossOp : NN_Op<"cross_entropy_loss", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "softmax cross-entropy of each row, and whether its largest logit is the label's";
  let description = [{
    For a row z with label y and smoothing e over C classes:
    loss = log sum_j exp z_j - (1-e) z_y - e/C sum_j z_j. A row with label -1 is padding: loss 0, correct 0.
    The gradient that flows back is that of the mean over valid rows: each row weighs
    control[GradientWeight] (runtime/plan/Control.h).
    A mixed row (mixup, cutmix) has a second label y' and a weight w: its loss is w times that of y and
    1-w times that of y', which is the loss of the target w onehot(y) + (1-w) onehot(y'), smoothed. Whether
    a row is padding, and its hit, are decided by y alone.
    (C1) logits (rows, C), labels (rows), loss and correct (rows). (C2) 0 <= label_smoothing < 1.
    (C3) mix_labels and mix_weight are both there, of shape (rows), or neither.
  }];
  let arguments = (ins NN_Tensor:$logits, NN_Labels:$labels, NN_Tensor:$control, Optional<NN_Labels>:$mix_labels,
                       Optional<NN_Tensor>:$mix_weight, F64Attr:$label_smoothing);
  let results = (outs NN_Tensor:$loss, NN_Tensor:$correct);
  let assemblyFormat = [{
    $logits `,` $labels `,` $control (`mix` $mix_labels^ `,` $mix_weight `:` type($mix_labels) `,` type($mix_weight))?
    `smoothing` $label_smoothing attr-dict `:` type($logits) `,` type($labels) `,` type($control) `->` type($loss) `,` type($correct)
  }];
  let hasVerifier = 1;
}

def NN_CrossEntropyBackwardOp : NN_Op<"cross_entropy_backward", [AttrSizedOperandSegments,
    AllTypesMatch<["logits", "result"]>]> {
  let summary = "gradient of the mean loss over the valid rows with respect to the logits";
  let description = [{
    result = (softmax(z) - (1-e) t - e/C) * control[GradientWeight]; 0 for a row with label -1. t is onehot(y),
    of a mixed row w onehot(y) + (1-w) onehot(y') (nn.cross_entropy_loss).
    (C1) logits (rows, C), labels (rows). (C2) 0 <= label_smoothing < 1.
    (C3) mix_labels and mix_weight are both there, of shape (rows), or neither.
  }];
  let arguments = (ins NN_Tensor:$logits, NN_Labels:$labels, NN_Tensor:$control, Optional<NN_Labels>:$mix_labels,
                       Optional<NN_Tensor>:$mix_weight, F64Attr:$label_smoothing);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $logits `,` $labels `,` $control (`mix` $mix_labels^ `,` $mix_weight `:` type($mix_labels) `,` type($mix_weight))?
    `smoothing` $label_smoothing attr-dict `:` type($logits) `,` type($labels) `,` type($control)
  }];
  let hasVerifier = 1;
}

def NN_BatchMetricsOp : NN_Op<"batch_metrics", [AllTypesMatch<["loss", "correct"]>]> {
  let summary = "the metrics buffer of runtime/plan/Control.h";
  let description = [{
    metrics[Loss] = sum(loss) * control[InverseCount], metrics[Correct] = sum(correct),
    metrics[GradNorm] = sqrt(sum(square_norm)) where given, 0 elsewhere; `scaled`: times control[InverseScale].
    (C1) loss and correct have equal shapes (rows). (C2) the result has 16 elements.
  }];
  let arguments = (ins NN_Tensor:$loss, NN_Tensor:$correct, NN_Tensor:$control, Optional<NN_Tensor>:$square_norm,
                       UnitAttr:$scaled);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $loss `,` $correct `,` $control (`norm` $square_norm^ `:` type($square_norm))? attr-dict
    `:` type($loss) `,` type($control) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
