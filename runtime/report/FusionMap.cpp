// Layers downwards, launches to the right; a mark where the launch computes the layer. What is
// fused stands in one column.
#include "runtime/profile/LayerProfile.h"
#include "runtime/report/Page.h"
#include "runtime/report/Sections.h"

#include <algorithm>
#include <set>

namespace danaus {

namespace {

using nlohmann::json;

constexpr unsigned cell = 15, labelWidth = 190, headHeight = 22;
constexpr size_t mostColumns = 2000, mostNames = 12;

struct Column {
  const fb::Launch *launch;
  uint32_t stage;
  std::vector<std::string> layers;
};

std::vector<Column> columnsOf(const fb::Program &program) {
  std::vector<Column> columns;
  for (uint32_t stage = 0; stage < program.stages()->size(); ++stage)
    for (const fb::Launch *launch : *program.stages()->Get(stage)->launches())
      columns.push_back({launch, stage, layersOfLabel(launch->label()->str())});
  return columns;
}

std::string titleOf(const Column &column, const fb::TargetPlan &plan) {
  return plan.kernels()->Get(column.launch->kernel())->symbol()->str() + ", stage " +
         std::to_string(column.stage + 1) + ": " + column.launch->label()->str();
}

/// A layer's name, cut where the margin ends.
std::string shortName(const std::string &name) {
  constexpr size_t most = 26;
  return name.size() <= most ? name : "\u2026" + name.substr(name.size() - most + 1);
}

std::string picture(const std::vector<Column> &columns, const fb::TargetPlan &plan) {
  std::vector<std::string> rows;
  std::map<std::string, size_t> rowOf;
  // In the order of the forward pass: copies of weights come before it, in another.
  for (bool takesCopies : {false, true})
    for (const Column &column : columns)
      for (const std::string &layer : column.layers)
        if (takesCopies || !column.launch->label()->str().starts_with("copy "))
          if (rowOf.try_emplace(layer, rows.size()).second)
            rows.push_back(layer);
  unsigned width = labelWidth + cell * unsigned(columns.size()) + 8;
  unsigned height = headHeight + cell * unsigned(rows.size()) + 4;
  std::string svg = format("<div class=map><svg width=%u height=%u viewBox=\"0 0 %u %u\" role=img "
                           "aria-label=\"Layers by launch; the table below says the same\">\n",
                           width, height, width, height);
  for (size_t i = 0; i < rows.size(); ++i)
    svg += format("<text x=%u y=%u text-anchor=end>", labelWidth - 8,
                  headHeight + cell * unsigned(i) + 12) +
           escapeHtml(shortName(rows[i])) +
           format("</text><line class=grid x1=%u x2=%u y1=%u y2=%u />\n", labelWidth, width,
                  headHeight + cell * unsigned(i + 1), headHeight + cell * unsigned(i + 1));
  for (size_t i = 0; i < columns.size(); ++i) {
    const Column &column = columns[i];
    unsigned x = labelWidth + cell * unsigned(i);
    if (i == 0 || columns[i - 1].stage != column.stage)
      svg += format("<line class=grid x1=%u x2=%u y1=%u y2=%u />", x, x, headHeight - 4, height);
    if ((i + 1) % 5 == 0 || i == 0)
      svg += format("<text x=%u y=14 text-anchor=middle>%zu</text>", x + cell / 2, i + 1);
    svg += "<g>";
    std::set<std::string> marked(column.layers.begin(), column.layers.end());
    for (const std::string &layer : marked)
      svg += format("<rect class=%s x=%u y=%u width=%u height=%u rx=2 />",
                    marked.size() > 1 ? "f0" : "f5", x + 2,
                    headHeight + cell * unsigned(rowOf[layer]) + 2, cell - 4, cell - 4);
    svg +=
        "<title>" + escapeHtml(format("%zu: ", i + 1) + titleOf(column, plan)) + "</title></g>\n";
  }
  return svg + "</svg></div>\n<p class=key><span><i class=f0></i>several layers in one kernel"
               "</span> <span><i class=f5></i>one</span></p>\n";
}

std::string launchTable(const std::vector<Column> &columns, const fb::TargetPlan &plan) {
  std::string rows = htmlCells(
      {{"#"}, {"kernel"}, {"stage"}, {"computes", true}, {"lines"}, {"memory traffic"}}, "th");
  for (size_t i = 0; i < columns.size(); ++i) {
    const fb::Launch &launch = *columns[i].launch;
    std::set<uint64_t> lines;
    if (launch.lines())
      lines.insert(launch.lines()->begin(), launch.lines()->end());
    rows += htmlCells({{std::to_string(i + 1)},
                       {plan.kernels()->Get(launch.kernel())->symbol()->str()},
                       {std::to_string(columns[i].stage + 1)},
                       {launch.label()->str(), true},
                       {lineText({lines.begin(), lines.end()})},
                       {byteText(launch.bytes())}});
  }
  return htmlTable(rows, "second");
}

/// "row, (contract, relu) x3": what is repeated stands once, up to `longest` words of it.
std::string runsOf(const json &words) {
  constexpr size_t longest = 4;
  std::vector<std::string> parts;
  for (size_t at = 0; at < words.size();) {
    size_t length = 1, times = 1;
    for (size_t each = 1; each <= longest && times == 1; ++each) {
      auto isAgain = [&](size_t begin) {
        return begin + each <= words.size() &&
               std::equal(words.begin() + long(at), words.begin() + long(at + each),
                          words.begin() + long(begin));
      };
      size_t count = 1;
      while (isAgain(at + count * each))
        ++count;
      if (count > 1)
        length = each, times = count;
    }
    std::vector<std::string> run;
    for (size_t i = at; i < at + length; ++i)
      run.push_back(words[i].get<std::string>());
    std::string text = joinWords(run, ", ");
    if (times > 1)
      text = (length > 1 ? "(" + text + ")" : text) + format(" \u00d7%zu", times);
    parts.push_back(text);
    at += length * times;
  }
  return joinWords(parts, ", ");
}

/// "needs the whole batch: chain_0, chain_1; ...".
std::string reasonsOf(const json &apart) {
  std::vector<std::string> reasons, parts;
  std::map<std::string, std::vector<std::string>> from;
  for (const json &each : apart) {
    std::string reason = each.value("reason", "");
    if (from[reason].empty())
      reasons.push_back(reason);
    from[reason].push_back(each.value("from", ""));
  }
  for (const std::string &reason : reasons)
    parts.push_back(reason + ": " + compactNames(from[reason], mostNames));
  return joinWords(parts, "; ");
}

/// What the compiler says of a program (danausc --emit=fusion --json); null where it says nothing.
json functionOf(const json &fusion, const std::string &name) {
  if (fusion.is_object())
    for (const json &function : fusion.value("functions", json::array()))
      if (function.value("name", "") == name)
        return function;
  return {};
}

std::string fusionTable(const json &function) {
  std::string rows = htmlCells({{"kernel"},
                                {"launches"},
                                {"traffic saved"},
                                {"operations", true},
                                {"layers", true},
                                {"lines"},
                                {"apart from, because", true}},
                               "th");
  for (const json &kernel : function.value("kernels", json::array())) {
    std::set<uint64_t> lines;
    for (const json &line : kernel.value("lines", json::array()))
      lines.insert(line.get<uint64_t>());
    std::vector<std::string> layers;
    for (const json &layer : kernel.value("layers", json::array()))
      layers.push_back(layer.get<std::string>());
    rows += htmlCells({{kernel.value("name", "")},
                       {grouped(uint64_t(numberOf(kernel, "launches")))},
                       {byteText(uint64_t(numberOf(kernel, "bytes_saved")))},
                       {runsOf(kernel.value("covers", json::array())), true},
                       {compactNames(layers, mostNames), true},
                       {lineText({lines.begin(), lines.end()})},
                       {reasonsOf(kernel.value("apart", json::array())), true}});
  }
  return htmlTable(rows, "first");
}

const char *symbolOf(fb::ProgramKind kind) {
  switch (kind) {
  case fb::ProgramKind::TrainStep:
    return "train_step";
  case fb::ProgramKind::GradientStep:
    return "gradient_step";
  case fb::ProgramKind::UpdateStep:
    return "update_step";
  case fb::ProgramKind::EvalStep:
    break;
  }
  return "eval_step";
}

const char *nameOf(fb::ProgramKind kind) {
  switch (kind) {
  case fb::ProgramKind::TrainStep:
    return "Training step";
  case fb::ProgramKind::GradientStep:
    return "Gradients of a micro-batch";
  case fb::ProgramKind::UpdateStep:
    return "Update of the weights";
  case fb::ProgramKind::EvalStep:
    break;
  }
  return "Evaluation step";
}

} // namespace

std::string fusionMap(const fb::TargetPlan &plan, std::string_view compilerSays) {
  json fusion = json::parse(compilerSays, nullptr, false);
  std::string html;
  for (const fb::Program *program : *plan.programs()) {
    std::vector<Column> columns = columnsOf(*program);
    std::string title = format("%s: %zu launches in %u stages", nameOf(program->kind()),
                               columns.size(), program->stages()->size());
    if (columns.size() > mostColumns)
      columns.resize(mostColumns);
    std::string body = picture(columns, plan);
    if (json function = functionOf(fusion, symbolOf(program->kind())); function.is_object())
      body += fusionTable(function);
    body += "<details><summary>The launches as a table</summary>\n" + launchTable(columns, plan) +
            "</details>\n";
    bool isFolded = program->kind() == fb::ProgramKind::EvalStep;
    html += isFolded ? "<details><summary>" + title + "</summary>\n" + body + "</details>\n"
                     : "<h3>" + title + "</h3>\n" + body;
  }
  return html;
}

} // namespace danaus
