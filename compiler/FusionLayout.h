// Where the nodes of a fusion graph lie on the page: forward downwards on the left, backward beside
// it upwards, gradients of parameters right of what they are made of, the update at the end.
#pragma once

#include "compiler/FusionGraph.h"

#include <map>

namespace danaus {

/// A node's place, in pixels, and its text.
struct GraphBox {
  double x = 0, y = 0, width = 0, height = 0;
  std::vector<std::string> lines; ///< below the name
  size_t muted = 0;               ///< so many of `lines`, the last ones, are of less interest

  double right() const { return x + width; }
  double bottom() const { return y + height; }
  double middle() const { return y + height / 2; }
};

struct GraphLayout {
  std::vector<GraphBox> boxes;  ///< of the graph's nodes
  std::vector<size_t> forward;  ///< downwards; the loss is the last
  std::vector<size_t> backward; ///< upwards; the loss is the first
  std::vector<size_t> gradients, update;
  double width = 0, height = 0, rail = 0; ///< x of the line from gradients to the update
};

/// Widths of text: of the characters of a monospaced font.
inline constexpr double CharWidth = 6.63, LineHeight = 14;
/// Between two boxes of which one reads the other's results: room for two lines of a label.
inline constexpr double LabelGap = 44;

GraphLayout layOut(const FusionGraph &graph);

/// "38.7 MB".
std::string describeBytes(int64_t bytes);

/// At most `lines` lines of `width` characters, cut at spaces; what does not fit ends in "...".
std::vector<std::string> wrapped(llvm::StringRef text, size_t width, size_t lines);

} // namespace danaus
