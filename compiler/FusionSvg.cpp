// --emit=fusion --svg: the graph as a drawing that stands alone, in light and dark.
#include "compiler/Fusion.h"
#include "compiler/FusionLayout.h"
#include "compiler/FusionNames.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

#include <utility>

using namespace danaus;

namespace {

constexpr llvm::StringLiteral Style = R"(<style>
svg { --page: #ffffff; --text: #1b1f24; --muted: #667080; --line: #8a94a3; --box: #f6f8fa;
      --forward: #2f6fd0; --loss: #8250df; --backward: #c2570c; --gradient: #a0246e; --update: #1a7f37; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0f1318; --text: #e3e8ee; --muted: #95a1b0; --line: #6b7685; --box: #1a2028;
        --forward: #6ea8ff; --loss: #b794f6; --backward: #f0883e; --gradient: #f078bb; --update: #4cc26a; }
}
.page { fill: var(--page); }
text { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--text); }
.title { font-size: 17px; font-weight: bold; }
.name { font-size: 13px; font-weight: bold; }
.muted, .reason, .bytes { fill: var(--muted); }
.reason, .bytes { font-size: 10px; paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
.edge { fill: none; stroke: var(--line); stroke-width: 1.4; }
.kept { stroke-dasharray: 4 3; }
.hover { fill: none; stroke: transparent; stroke-width: 12; }
.flow:hover .edge { stroke: var(--text); stroke-width: 2.2; }
.head { fill: var(--line); }
rect { fill: var(--box); stroke-width: 1.6; }
.forward rect { stroke: var(--forward); } .forward .name { fill: var(--forward); }
.loss rect { stroke: var(--loss); } .loss .name { fill: var(--loss); }
.backward rect { stroke: var(--backward); } .backward .name { fill: var(--backward); }
.gradient rect { stroke: var(--gradient); } .gradient .name { fill: var(--gradient); }
.update rect { stroke: var(--update); } .update .name { fill: var(--update); }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>
)";

std::string escaped(llvm::StringRef text) {
  std::string out;
  llvm::raw_string_ostream os(out);
  llvm::printHTMLEscaped(text, os);
  return out;
}

std::string number(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.1f", value);
  return text;
}

llvm::StringRef classOf(Lane lane) {
  switch (lane) {
  case Lane::Forward:
    return "forward";
  case Lane::Loss:
    return "loss";
  case Lane::Backward:
    return "backward";
  case Lane::Gradient:
    return "gradient";
  case Lane::Update:
    return "update";
  }
  llvm_unreachable("no such lane");
}

class Drawing {
public:
  Drawing(const FusionGraph &graph, llvm::StringRef title)
      : graph(graph), layout(layOut(graph)), title(title), os(text) {}

  std::string draw() {
    os << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << number(layout.width)
       << "\" height=\"" << number(layout.height) << "\" viewBox=\"0 0 " << number(layout.width)
       << ' ' << number(layout.height) << "\">\n<title>" << escaped(title)
       << ": kernels of a training step</title>\n"
       << Style << "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n";
    drawHead();
    choosePorts();
    for (const GraphEdge &edge : graph.edges)
      drawEdge(edge);
    drawRail();
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      drawNode(i);
    os << labels << "</svg>\n";
    return text;
  }

private:
  void put(double x, double y, llvm::StringRef style, llvm::StringRef words,
           llvm::StringRef anchor = "start") {
    os << "<text x=\"" << number(x) << "\" y=\"" << number(y) << "\" class=\"" << style
       << "\" text-anchor=\"" << anchor << "\">" << escaped(words) << "</text>\n";
  }

  void drawHead() {
    put(24, 32, "title", title);
    std::string what = std::to_string(graph.launches) + " launches; " +
                       describeBytes(graph.bytesSaved) +
                       " less through memory than with a kernel for each operation.";
    if (graph.preparations)
      what += " Not drawn: " + std::to_string(graph.preparations) +
              " that pack operands or add up partial sums.";
    what += " Forward downwards, backward upwards beside it, gradients of parameters on the right, "
            "the update last. Point at a line: why its two kernels are apart.";
    double y = 52;
    for (const std::string &words : wrapped(what, size_t((layout.width - 48) / CharWidth), 3)) {
      put(24, y, "muted", words);
      y += 16;
    }
  }

  void drawNode(size_t index) {
    const GraphNode &node = graph.nodes[index];
    const GraphBox &box = layout.boxes[index];
    os << "<g class=\"" << classOf(node.lane) << "\"><title>" << escaped(fullText(index))
       << "</title><rect x=\"" << number(box.x) << "\" y=\"" << number(box.y) << "\" width=\""
       << number(box.width) << "\" height=\"" << number(box.height) << "\" rx=\"6\"/>\n";
    std::string name = node.row.name;
    if (node.row.launches.size() > 1)
      name += " x " + std::to_string(node.row.launches.size());
    put(box.x + 10, box.y + 19, "name", name);
    if (node.row.bytesSaved > 0)
      put(box.right() - 10, box.y + 19, "muted", "saves " + describeBytes(node.row.bytesSaved),
          "end");
    double y = box.y + 28 + 7;
    for (size_t i = 0; i < box.lines.size(); ++i, y += LineHeight)
      put(box.x + 10, y, i + box.muted < box.lines.size() ? "covers" : "muted", box.lines[i]);
    os << "</g>\n";
  }

  /// Everything of a node, for the pointer.
  std::string fullText(size_t index) {
    const FusionRow &row = graph.nodes[index].row;
    std::string full = row.name + ": " + foldRepeats(row.covers);
    if (!row.layers.empty())
      full += "\nlayers: " + foldNames(row.layers);
    if (!row.lines.empty())
      full += "\nlines of the spec: " +
              llvm::join(llvm::map_range(row.lines, [](unsigned l) { return std::to_string(l); }),
                         ", ");
    for (const auto &[from, reason] : row.apart)
      full += "\napart from " + from + ": " + reason;
    return full;
  }

  // --- lines
  // --------------------------------------------------------------------------------------

  void drawEdge(const GraphEdge &edge) {
    Lane from = graph.nodes[edge.from].lane, to = graph.nodes[edge.to].lane;
    if (edge.from == edge.to || to == Lane::Update || from == Lane::Update)
      return;
    const GraphBox &a = layout.boxes[edge.from], &b = layout.boxes[edge.to];
    if (crossesGap(edge))
      return across(edge);
    if (to == Lane::Gradient)
      return; // told in the box
    bool isBack = to == Lane::Backward;
    const std::vector<size_t> &lane = isBack ? layout.backward : layout.forward;
    auto first = llvm::find(lane, edge.from), second = llvm::find(lane, edge.to);
    if (first != lane.end() && second == first + 1)
      return straight(edge, isBack);
    // Past other boxes, left of the forward lane, right of the backward lane.
    double away = 16 + 12 * double(passing[isBack]++ % 4);
    double x1 = isBack ? b.right() : a.x, x2 = isBack ? b.right() : b.x;
    double y1 = isBack && from == Lane::Loss ? a.y + 8 : a.middle() + 6, y2 = b.middle() - 6;
    double bend = isBack ? std::max(x1, x2) + away : std::min(x1, x2) - away;
    path(edge,
         "M" + number(x1) + ' ' + number(y1) + "C" + number(bend) + ' ' + number(y1) + ' ' +
             number(bend) + ' ' + number(y2) + ' ' + number(x2) + ' ' + number(y2),
         "edge kept");
  }

  /// To the next box of a lane, with bytes and reason beside it.
  void straight(const GraphEdge &edge, bool isUpwards) {
    const GraphBox &a = layout.boxes[edge.from], &b = layout.boxes[edge.to];
    double x = b.x + 26, y1 = isUpwards ? a.y : a.bottom(), y2 = isUpwards ? b.bottom() : b.y;
    if (!isUpwards)
      x = a.x + 26;
    path(edge, "M" + number(x) + ' ' + number(y1) + "L" + number(x) + ' ' + number(y2), "edge");
    double y = (y1 + y2) / 2;
    label(x + 9, y - 3, "bytes", describeBytes(edge.bytes));
    if (!edge.reasons.empty())
      label(x + 9, y + 10, "reason", wrapped(reasonOf(edge, edge.reasons.front()), 50, 1).front());
  }

  /// From one lane to the next on the right.
  bool crossesGap(const GraphEdge &edge) {
    Lane from = graph.nodes[edge.from].lane, to = graph.nodes[edge.to].lane;
    return to == Lane::Gradient ? from == Lane::Backward || from == Lane::Loss
                                : to == Lane::Backward && from == Lane::Forward;
  }

  void across(const GraphEdge &edge) {
    const GraphBox &a = layout.boxes[edge.from], &b = layout.boxes[edge.to];
    bool isKept = graph.nodes[edge.to].lane == Lane::Backward;
    llvm::StringRef style = isKept ? "edge kept" : "edge";
    auto [y1, y2] = ports.at(&edge);
    double x1 = a.right(), x2 = b.x, half = (x2 - x1) / 2;
    path(edge,
         "M" + number(x1) + ' ' + number(y1) + "C" + number(x1 + half) + ' ' + number(y1) + ' ' +
             number(x2 - half) + ' ' + number(y2) + ' ' + number(x2) + ' ' + number(y2),
         style);
    if (isKept)
      label(x2 - 8, y2 - 3, "bytes", describeBytes(edge.bytes), "end");
  }

  /// One line down the right side for all gradients.
  void drawRail() {
    int64_t bytes = 0;
    for (const GraphEdge &edge : graph.edges)
      if (graph.nodes[edge.to].row.operation == "update" &&
          graph.nodes[edge.from].lane != Lane::Update)
        bytes += edge.bytes;
    if (layout.update.empty() || layout.gradients.empty())
      return;
    double y = layout.boxes[layout.update.front()].y - 24;
    std::string d, heads;
    for (size_t node : layout.gradients)
      d += "M" + number(layout.boxes[node].right()) + ' ' + number(layout.boxes[node].middle()) +
           "H" + number(layout.rail);
    const GraphBox &highest = layout.boxes[layout.gradients.front()];
    d += "M" + number(layout.rail) + ' ' + number(highest.middle()) + "V" + number(y);
    double leftmost = layout.rail;
    for (size_t node : layout.update) {
      const GraphBox &box = layout.boxes[node];
      if (graph.nodes[node].row.operation == "metrics")
        continue;
      double x = box.x + box.width / 2;
      leftmost = std::min(leftmost, x);
      heads += "<path class=\"edge\" marker-end=\"url(#head)\" d=\"M" + number(x) + ' ' +
               number(y) + "V" + number(box.y) + "\"/>\n";
    }
    os << "<path class=\"edge\" d=\"" << d << "H" << number(leftmost) << "\"/>\n" << heads;
    label(layout.rail - 8, y - 5, "bytes", "gradients, " + describeBytes(bytes), "end");
  }

  void path(const GraphEdge &edge, const std::string &d, llvm::StringRef style) {
    const FusionRow &from = graph.nodes[edge.from].row, &to = graph.nodes[edge.to].row;
    std::string why = from.name + " to " + to.name + ", " + describeBytes(edge.bytes) + ":";
    for (const std::string &reason : edge.reasons)
      why += "\n" + reasonOf(edge, reason, to.name + " ");
    os << "<g class=\"flow\"><title>" << escaped(why) << "</title><path class=\"" << style
       << "\" marker-end=\"url(#head)\" d=\"" << d << "\"/><path class=\"hover\" d=\"" << d
       << "\"/></g>\n";
  }

  /// Over everything else.
  void label(double x, double y, llvm::StringRef style, const std::string &words,
             llvm::StringRef anchor = "start") {
    labels += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + style.str() +
              "\" text-anchor=\"" + anchor.str() + "\">" + escaped(words) + "</text>\n";
  }

  /// "that one" by its name; other reasons behind `subject`.
  std::string reasonOf(const GraphEdge &edge, llvm::StringRef reason, std::string subject = "") {
    if (reason.consume_front("that one"))
      return graph.nodes[edge.from].row.name + reason.str();
    return subject + reason.str();
  }

  /// Where lines between lanes leave and enter: over a box's side, in the order of their other
  /// ends.
  void choosePorts() {
    std::map<size_t, std::vector<const GraphEdge *>> leaving, entering;
    for (const GraphEdge &edge : graph.edges)
      if (crossesGap(edge)) {
        leaving[edge.from].push_back(&edge);
        entering[edge.to].push_back(&edge);
      }
    auto spread = [&](auto &sides, auto otherOf, auto portOf) {
      for (auto &[node, edges] : sides) {
        llvm::stable_sort(edges, [&](const GraphEdge *a, const GraphEdge *b) {
          return layout.boxes[otherOf(a)].middle() < layout.boxes[otherOf(b)].middle();
        });
        const GraphBox &box = layout.boxes[node];
        double step = std::min(16.0, (box.height - 16) / double(edges.size()));
        double y = box.middle() - step * double(edges.size() - 1) / 2;
        for (const GraphEdge *edge : edges)
          portOf(ports[edge]) = std::exchange(y, y + step);
      }
    };
    auto from = [](const GraphEdge *edge) { return edge->from; };
    auto to = [](const GraphEdge *edge) { return edge->to; };
    spread(leaving, to, [](auto &port) -> double & { return port.first; });
    spread(entering, from, [](auto &port) -> double & { return port.second; });
  }

  const FusionGraph &graph;
  GraphLayout layout;
  llvm::StringRef title;
  std::string text, labels;
  llvm::raw_string_ostream os;
  std::map<const GraphEdge *, std::pair<double, double>> ports; ///< y where it leaves and enters
  size_t passing[2] = {0, 0}; ///< lines past boxes, of the forward and of the backward lane
};

} // namespace

std::string danaus::fusionAsSvg(const Fusion &fusion, llvm::StringRef title) {
  return Drawing(graphOf(fusion), title).draw();
}
