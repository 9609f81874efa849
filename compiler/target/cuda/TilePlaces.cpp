// See TilePlaces.h.
#include "compiler/target/cuda/TilePlaces.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

void cuda::printPlace(Lines &lines, StringRef name, SmallVector<TileDim, 4> dims, Order order) {
  std::string signature = ("static __device__ void " + name + "(int t, int i").str();
  for (StringRef known : {"g", "m", "j", "k"}) // the order in which the templates pass them
    if (llvm::is_contained(llvm::map_range(dims, [](const TileDim &dim) { return dim.name; }),
                           known))
      signature += (", int &" + known).str();
  // What does not move (stride 0) last: its neighbours read the same element.
  if (order == Order::ByStride)
    llvm::stable_sort(dims, [](const TileDim &a, const TileDim &c) {
      return uint64_t(a.stride - 1) < uint64_t(c.stride - 1);
    });
  constexpr int64_t threads = 256;
  int64_t left = threads, steps = 1; // threads without a place yet; steps of i used up
  std::string thread = "t", step = "i";
  SmallVector<std::string> texts;
  for (const TileDim &dim : dims) {
    int64_t extent = dim.extent / dim.unit;
    bool isLast = texts.size() + 1 == dims.size();
    std::string text;
    if (left % extent == 0 && !isLast) {
      text = left == extent ? thread : thread + " % " + std::to_string(extent);
      left /= extent;
      thread = left == 1 ? "0" : "t / " + std::to_string(threads / left);
    } else if (isLast || extent % left == 0) {
      std::string own = isLast ? step : step + " % " + std::to_string(extent / left);
      text = left == 1 ? own : thread + " + " + own + " * " + std::to_string(left);
      steps *= extent / left;
      step = "i / " + std::to_string(steps);
      left = 1;
      thread = "0";
    } else {
      break;
    }
    int64_t factor = dim.unit * dim.scale;
    texts.push_back(factor == 1 ? text : "(" + text + ") * " + std::to_string(factor));
  }
  lines.block(signature + ")", [&] {
    if (texts.size() == dims.size()) {
      for (auto [dim, text] : llvm::zip(dims, texts))
        lines.add(dim.name + (dim.scale == 1 ? " = " : " += ") + text + ";");
      return;
    }
    lines.add("const int e = t + i * " + Twine(threads) + ";");
    int64_t before = 1;
    for (const TileDim &dim : dims) {
      std::string own = before == 1 ? "e" : "e / " + std::to_string(before);
      if (&dim != &dims.back())
        own += " % " + std::to_string(dim.extent / dim.unit);
      int64_t factor = dim.unit * dim.scale;
      lines.add(dim.name + (dim.scale == 1 ? " = " : " += ") + own +
                (factor == 1 ? "" : " * " + std::to_string(factor)) + ";");
      before *= dim.extent / dim.unit;
    }
  });
}

int64_t cuda::valueAt(const AccessSum &sum, unsigned dim, int64_t index) {
  int64_t value = 0;
  for (const AccessTerm &term : sum.terms)
    if (term.dim == dim)
      value += term.coefficient * (term.kind == AccessTerm::Plain ? index
                                   : term.kind == AccessTerm::Mod ? index % term.group
                                                                  : index / term.group);
  return value;
}
