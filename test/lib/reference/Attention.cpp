// Attention and its gradients, with the whole tokens x tokens matrix of each sample and head.
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

/// One head of one sample: where its elements lie in (batch, tokens, d), and its rows in
/// (batch, heads, tokens).
struct Head {
  int64_t sample, head, heads, tokens, d;

  int64_t width() const { return d / heads; }
  double scale() const { return 1 / std::sqrt(double(width())); }
  int64_t at(int64_t token, int64_t column) const {
    return (sample * tokens + token) * d + head * width() + column;
  }
  int64_t row(int64_t token) const { return (sample * heads + head) * tokens + token; }

  /// Row `i` of a against row `j` of b, within the head's columns.
  double dot(const Tensor &a, int64_t i, const Tensor &b, int64_t j) const {
    double sum = 0;
    for (int64_t c = 0; c < width(); ++c)
      sum += a.data[at(i, c)] * b.data[at(j, c)];
    return sum;
  }
  /// Adds `factor` times row `i` of a to row `j` of b, within the head's columns.
  void addTo(Tensor &b, int64_t j, double factor, const Tensor &a, int64_t i) const {
    for (int64_t c = 0; c < width(); ++c)
      b.data[at(j, c)] += factor * a.data[at(i, c)];
  }
};

void forEachHead(const Tensor &query, int64_t heads, llvm::function_ref<void(Head)> visit) {
  forEachIndex({query.shape[0], heads}, [&](ArrayRef<int64_t> index) {
    visit({index[0], index[1], heads, query.shape[1], query.shape[2]});
  });
}

void evaluate(nn::AttentionOp op, Values &values) {
  const Tensor &query = values[op.getQuery()], &key = values[op.getKey()],
               &value = values[op.getValue()];
  Tensor result = zerosLike(op.getResult()), logsumexp = zerosLike(op.getLogsumexp());
  forEachHead(query, op.getHeads(), [&](Head head) {
    for (int64_t i = 0; i < head.tokens; ++i) {
      std::vector<double> scores;
      for (int64_t j = 0; j < head.tokens; ++j)
        scores.push_back(head.dot(query, i, key, j) * head.scale());
      double norm = logsumexp.data[head.row(i)] = logSumExp(scores);
      for (int64_t j = 0; j < head.tokens; ++j)
        head.addTo(result, i, std::exp(scores[j] - norm), value, j);
    }
  });
  values.set(op.getResult(), std::move(result));
  values.set(op.getLogsumexp(), std::move(logsumexp));
}

void evaluate(nn::AttentionBackwardOp op, Values &values) {
  const Tensor &query = values[op.getQuery()], &key = values[op.getKey()],
               &value = values[op.getValue()], &result = values[op.getResult()],
               &logsumexp = values[op.getLogsumexp()], &gradient = values[op.getGradient()];
  Tensor dq = zerosLike(op.getQueryGradient()), dk = zerosLike(op.getKeyGradient()),
         dv = zerosLike(op.getValueGradient());
  forEachHead(query, op.getHeads(), [&](Head head) {
    for (int64_t i = 0; i < head.tokens; ++i) {
      double D = head.dot(gradient, i, result, i);
      for (int64_t j = 0; j < head.tokens; ++j) {
        double s = head.dot(query, i, key, j) * head.scale();
        double p = std::exp(s - logsumexp.data[head.row(i)]);
        double ds = p * (head.dot(gradient, i, value, j) - D);
        head.addTo(dv, j, p, gradient, i);
        head.addTo(dq, i, head.scale() * ds, key, j);
        head.addTo(dk, j, head.scale() * ds, query, i);
      }
    }
  });
  values.set(op.getQueryGradient(), std::move(dq));
  values.set(op.getKeyGradient(), std::move(dk));
  values.set(op.getValueGradient(), std::move(dv));
}

} // namespace

LogicalResult reference::evaluateAttention(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::AttentionOp, nn::AttentionBackwardOp>([&](auto typed) {
        evaluate(typed, values);
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
