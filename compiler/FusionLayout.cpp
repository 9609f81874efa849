// See FusionLayout.h.
#include "compiler/FusionLayout.h"

#include "compiler/FusionNames.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace danaus;

namespace {

constexpr double Margin = 24, Top = 100, LaneWidth = 344, LaneGap = 96, GradientWidth = 304;
constexpr double SkipRoom = 64; ///< left of the forward lane, for lines that pass by a box
constexpr double Gap = 14, RailRoom = 40, NameHeight = 28;

void append(std::vector<std::string> &lines, const std::string &text, double width, size_t most) {
  llvm::append_range(lines, wrapped(text, size_t((width - 20) / CharWidth), most));
}

/// Reads of results that the forward pass kept, which have no line in the drawing.
std::string keptFor(const FusionGraph &graph, size_t node) {
  std::vector<std::string> names;
  for (const GraphEdge &edge : graph.edges)
    if (edge.to == node && graph.nodes[edge.from].lane == Lane::Forward)
      names.push_back(graph.nodes[edge.from].row.name);
  return llvm::join(foldNumbers(names), ", ");
}

/// Why gradients are apart from what their lines come from.
std::string reasonsOf(const FusionGraph &graph, size_t node) {
  std::vector<std::string> reasons;
  for (const GraphEdge &edge : graph.edges)
    if (edge.to == node && graph.nodes[edge.from].lane != Lane::Forward)
      for (const std::string &reason : edge.reasons)
        if (!llvm::is_contained(reasons, reason))
          reasons.push_back(reason);
  return llvm::join(reasons, "; ");
}

GraphBox boxOf(const FusionGraph &graph, size_t index, double width) {
  const GraphNode &node = graph.nodes[index];
  GraphBox box;
  box.width = width;
  append(box.lines, foldRepeats(node.row.covers), width, 4);
  if (node.lane == Lane::Gradient) {
    if (std::string kept = keptFor(graph, index); !kept.empty())
      append(box.lines, "reads also " + kept, width, 2);
    append(box.lines, "apart: " + reasonsOf(graph, index), width, 2);
  }
  size_t own = box.lines.size();
  if (!node.row.layers.empty())
    append(box.lines, foldNames(node.row.layers), width, node.lane == Lane::Gradient ? 2 : 3);
  box.muted = box.lines.size() - own;
  box.height = NameHeight + LineHeight * double(box.lines.size()) + 6;
  return box;
}

bool isJoined(const FusionGraph &graph, size_t from, size_t to) {
  return llvm::any_of(graph.edges,
                      [&](const GraphEdge &edge) { return edge.from == from && edge.to == to; });
}

/// Gradients stand beside what they are made of, none over another.
void placeGradients(const FusionGraph &graph, GraphLayout &layout, double bottom) {
  auto wanted = [&](size_t node) {
    for (const GraphEdge &edge : graph.edges)
      if (edge.to == node && graph.nodes[edge.from].lane != Lane::Forward)
        return layout.boxes[edge.from].middle() - layout.boxes[node].height / 2;
    return Top;
  };
  llvm::stable_sort(layout.gradients, [&](size_t a, size_t b) { return wanted(a) < wanted(b); });
  double end = Top;
  for (size_t node : layout.gradients) {
    GraphBox &box = layout.boxes[node];
    box.y = std::max(end, wanted(node));
    end = box.bottom() + Gap;
  }
  for (size_t node : llvm::reverse(layout.gradients)) { // up again, where there is room
    GraphBox &box = layout.boxes[node];
    box.y = std::min(box.y, bottom - box.height);
    bottom = box.y - Gap;
  }
  end = Top;
  for (size_t node : layout.gradients) {
    GraphBox &box = layout.boxes[node];
    box.y = std::max(end, box.y);
    end = box.bottom() + Gap;
  }
}

/// The update's kernels beside each other, over the whole width.
void placeUpdate(const FusionGraph &graph, GraphLayout &layout, double y) {
  double room = layout.width - 2 * Margin;
  double width = (room - Gap * double(layout.update.size() - 1)) / double(layout.update.size());
  double x = Margin;
  layout.height = y;
  for (size_t node : layout.update) {
    GraphBox &box = layout.boxes[node] = boxOf(graph, node, width);
    box.x = x;
    box.y = y;
    x += width + Gap;
    layout.height = std::max(layout.height, box.bottom());
  }
}

} // namespace

std::string danaus::describeBytes(int64_t bytes) {
  static constexpr const char *units[] = {"B", "KB", "MB", "GB", "TB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 999.5 && unit < 4; ++unit)
    value /= 1000;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format(unit == 0 || value >= 99.95 ? "%.0f " : "%.1f ",
                                                 value)
                                 << units[unit];
  return text;
}

std::vector<std::string> danaus::wrapped(llvm::StringRef text, size_t width, size_t lines) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < lines) {
    size_t end = text.size();
    if (end > width) {
      end = text.rfind(' ', width);
      if (end == llvm::StringRef::npos || end == 0)
        end = width;
    }
    out.push_back(text.take_front(end).str());
    text = text.drop_front(end).ltrim();
  }
  if (!text.empty() && !out.empty()) {
    out.back().resize(std::min(out.back().size(), width - 3));
    out.back() += "...";
  }
  return out;
}

GraphLayout danaus::layOut(const FusionGraph &graph) {
  GraphLayout layout;
  std::vector<size_t> losses;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Lane lane = graph.nodes[i].lane;
    (lane == Lane::Forward    ? layout.forward
     : lane == Lane::Loss     ? losses
     : lane == Lane::Backward ? layout.backward
     : lane == Lane::Gradient ? layout.gradients
                              : layout.update)
        .push_back(i);
  }
  bool hasBackward = !layout.backward.empty();
  double forwardX = Margin + SkipRoom, backwardX = forwardX + LaneWidth + LaneGap;
  double gradientX = hasBackward ? backwardX + LaneWidth + LaneGap : backwardX;
  layout.rail = gradientX + GradientWidth + RailRoom / 2;
  layout.width = layout.rail + RailRoom / 2 + Margin;
  llvm::append_range(layout.forward, losses);
  layout.backward.insert(layout.backward.begin(), losses.begin(), losses.end());

  layout.boxes.resize(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Lane lane = graph.nodes[i].lane;
    bool isWide = lane == Lane::Loss && hasBackward;
    layout.boxes[i] = boxOf(graph, i,
                            lane == Lane::Gradient ? GradientWidth
                            : isWide               ? 2 * LaneWidth + LaneGap
                                                   : LaneWidth);
    layout.boxes[i].x = lane == Lane::Gradient   ? gradientX
                        : lane == Lane::Backward ? backwardX
                                                 : forwardX;
  }
  // Both lanes end at the loss: the shorter begins lower.
  auto gapBetween = [&](size_t from, size_t to) {
    return isJoined(graph, from, to) ? LabelGap : Gap;
  };
  auto heightOf = [&](llvm::ArrayRef<size_t> lane) { // without losses
    double height = 0;
    for (size_t i = 0; i < lane.size(); ++i) {
      if (i > 0)
        height += gapBetween(lane[i - 1], lane[i]);
      if (graph.nodes[lane[i]].lane != Lane::Loss)
        height += layout.boxes[lane[i]].height;
    }
    return height;
  };
  double lossY = Top + std::max(heightOf(layout.forward), heightOf(layout.backward));
  double y = lossY - heightOf(layout.forward);
  for (size_t i = 0; i < layout.forward.size(); ++i) {
    GraphBox &box = layout.boxes[layout.forward[i]];
    box.y = i == 0 ? y : y + gapBetween(layout.forward[i - 1], layout.forward[i]);
    y = box.bottom();
  }
  double bottom = y;
  y = lossY;
  for (size_t i = losses.size(); i < layout.backward.size(); ++i) {
    GraphBox &box = layout.boxes[layout.backward[i]];
    y -= box.height + (i == 0 ? Gap : gapBetween(layout.backward[i - 1], layout.backward[i]));
    box.y = y;
  }
  placeGradients(graph, layout, bottom);
  for (size_t node : layout.gradients)
    bottom = std::max(bottom, layout.boxes[node].bottom());
  layout.height = bottom;
  if (!layout.update.empty())
    placeUpdate(graph, layout, bottom + 56);
  layout.height += Margin;
  return layout;
}
