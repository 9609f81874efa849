// What is wrong with a spec, collected while it is read: plain values, so that the reader goes on
// after an error and knows no MLIR. ReadSpec.cpp turns them into diagnostics.
#pragma once

#include "compiler/import/Spec.h"

#include <string>
#include <utility>
#include <vector>

namespace danaus::spec {

struct Problem {
  Mark mark;
  std::string text;
  /// A second place that belongs to it ("first written here").
  Mark noteMark;
  std::string note;
};

class Problems {
public:
  /// So many are kept and shown; the others are only counted.
  static constexpr size_t limit = 20;

  void add(Mark mark, std::string text) { add({mark, std::move(text), {}, {}}); }
  void add(Problem problem) {
    ++seen;
    if (list.size() < limit)
      list.push_back(std::move(problem));
  }

  bool empty() const { return seen == 0; }
  /// How many were found, those not kept included.
  size_t count() const { return seen; }
  const std::vector<Problem> &kept() const { return list; }

private:
  std::vector<Problem> list;
  size_t seen = 0;
};

} // namespace danaus::spec
