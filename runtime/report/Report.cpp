// Puts the page together from its sections.
#include "runtime/report/Report.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/report/CurveData.h"
#include "runtime/report/Page.h"
#include "runtime/report/Sections.h"

namespace danaus {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// The frames that report.js draws into.
std::string frames(const ordered_json &charts) {
  std::string html;
  bool hasSteps = false;
  for (const auto &chart : charts) {
    std::string title = escapeHtml(chart["title"].get<std::string>());
    html += "<figure><figcaption>" + title +
            "</figcaption><div class=plot><canvas id=" + chart["id"].get<std::string>() +
            " role=img aria-label=\"" + title +
            ": the tables have the numbers\"></canvas></div></figure>\n";
    hasSteps |= chart["x"] == "step";
  }
  if (html.empty())
    return "";
  return "<h2 id=curves>Curves</h2>\n<div class=charts>\n" + html + "</div>\n" +
         (hasSteps ? "" : "<p class=note>With --log-every there are curves of steps too.</p>\n");
}

/// The plan that the run used: by the instruction set of its profile or environment, else the
/// first.
const fb::TargetPlan &planOf(const RunFiles &run, const fb::Phase &phase, const json &profile) {
  std::string isa = profile.is_object() ? profile.value("arch", "") : "";
  for (const auto &[key, value] : run.environment)
    if (isa.empty() && key == "instruction set")
      isa = value;
  for (const fb::TargetPlan *plan : *phase.targets())
    if (plan->isa()->str() == isa)
      return *plan;
  return *phase.targets()->Get(0);
}

std::string_view fusionOf(const ModelFile &file, const fb::TargetPlan &plan) {
  if (!plan.fusion_section())
    return {};
  std::span<const std::byte> bytes = file.section(plan.fusion_section());
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

/// Whence the limits in a chart are.
std::string limitText(const json &profile) {
  if (!profile.contains("limit"))
    return "";
  std::string from = profile["limit"].value("from", "measured");
  return from == "measured" ? ", and limits of this machine, measured"
                            : ", and limits by the " + escapeHtml(from);
}

std::string phaseSections(const RunFiles &run, unsigned index, ordered_json &rooflines) {
  const fb::Model &model = run.model->model();
  const fb::Phase &phase = *model.phases()->Get(index);
  auto found = run.profiles.find(index + 1);
  json profile = found == run.profiles.end() ? json() : found->second;
  bool isLast = index + 1 == model.phases()->size();
  auto heading = [&](const char *id, const char *title) {
    std::string anchor = isLast ? std::string(" id=") + id : "";
    return "<h2" + anchor + ">" + title + "</h2>\n";
  };
  std::string html = heading("layers", "Layers") + layerTable(model, phase, profile);
  if (profile.is_object()) {
    html += heading("kernels", "Kernels");
    std::string id = format("roofline-%u", index + 1);
    ordered_json chart = rooflineChart(profile, id);
    if (!chart.is_null()) {
      html += "<figure><figcaption>Roofline: arithmetic and traffic of each kernel" +
              limitText(profile) + "</figcaption><div class=\"plot large\"><canvas id=" + id +
              " role=img aria-label=\"Roofline: the table below has the numbers\"></canvas>"
              "</div></figure>\n";
      rooflines.push_back(chart);
    }
    html += kernelTable(profile);
  }
  const fb::TargetPlan &plan = planOf(run, phase, profile);
  if (std::string memory = memoryMap(phase, plan); !memory.empty())
    html += heading("memory", "Memory of a step") + memory;
  return html + heading("fusion", "What is fused") + fusionMap(plan, fusionOf(*run.model, plan));
}

std::string navigation(const std::string &body) {
  std::string html;
  for (auto [id, title] : {std::pair("curves", "Curves"),
                           {"epochs", "Epochs"},
                           {"phases", "Phases"},
                           {"layers", "Layers"},
                           {"kernels", "Kernels"},
                           {"memory", "Memory"},
                           {"fusion", "Fusion"},
                           {"environment", "Environment"},
                           {"spec", "Spec"}})
    if (body.find(std::string("<h2 id=") + id + ">") != std::string::npos)
      html += std::string("<a href=\"#") + id + "\">" + title + "</a>\n";
  return "<nav>\n" + html + "</nav>\n";
}

} // namespace

std::string renderReport(const RunFiles &run) {
  const fb::Model &model = run.model->model();
  ordered_json charts = curveCharts(run), rooflines = ordered_json::array();
  std::string body = frames(charts) + epochTable(run) + phaseList(run);
  unsigned phases = model.phases()->size();
  body += phaseSections(run, phases - 1, rooflines);
  for (unsigned i = 0; i + 1 < phases; ++i)
    body +=
        format("<details><summary>Phase %u: layers, kernels, memory, fusion</summary>\n", i + 1) +
        phaseSections(run, i, rooflines) + "</details>\n";
  body += environmentTable(run) + "<h2 id=spec>Spec</h2>\n<pre>" + escapeHtml(model.spec()->str()) +
          "</pre>\n";
  ordered_json data = {{"curves", charts}, {"rooflines", rooflines}};
  return htmlPage(model.name()->str(), headline(run) + navigation(body) + body,
                  jsonForScript(data));
}

Status writeReport(const std::string &folder) {
  auto run = readRunFiles(folder);
  if (!run)
    return run.takeError();
  return writeFileAtomically(joinPath(folder, "report.html"), renderReport(*run));
}

} // namespace danaus
