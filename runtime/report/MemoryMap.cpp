// The arena as a picture: stages to the right, addresses upwards. What the whole run needs
// (parameters, gradients, states) is there in all stages; values come and go.
#include "runtime/profile/LayerProfile.h"
#include "runtime/report/Page.h"
#include "runtime/report/Sections.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace danaus {

namespace {

constexpr double left = 70, right = 990, top = 10, bottom = 340;
/// More rectangles make a page slow; the smallest are left out and counted.
constexpr size_t mostValues = 1500, mostRows = 15;

struct Area {
  std::string name;
  uint64_t offset = 0, bytes = 0;
  uint32_t first = 0, last = 0; ///< stages, both included
  const char *style = "f5";
};

/// The run of the arena from the first place of a kind to the end of the last.
void addRun(std::vector<Area> &areas, const char *name, const char *style,
            const std::vector<std::pair<uint64_t, uint64_t>> &places) {
  if (places.empty())
    return;
  uint64_t begin = UINT64_MAX, end = 0;
  for (auto [offset, bytes] : places) {
    begin = std::min(begin, offset);
    end = std::max(end, offset + bytes);
  }
  areas.push_back({name, begin, end - begin, 0, 0, style});
}

std::vector<Area> lastingAreas(const fb::Phase &phase, const fb::TargetPlan &plan) {
  std::vector<std::pair<uint64_t, uint64_t>> parameters, gradients, states, interface;
  for (uint32_t i = 0; i < plan.places()->size(); ++i) {
    const fb::ParameterPlace &place = *plan.places()->Get(i);
    uint64_t bytes = 4;
    for (uint64_t size : *phase.parameters()->Get(i)->shape())
      bytes *= size;
    parameters.emplace_back(place.offset(), bytes);
    gradients.emplace_back(place.gradient_offset(), bytes);
    if (place.state_offsets())
      for (uint64_t offset : *place.state_offsets())
        states.emplace_back(offset, bytes);
  }
  for (const fb::Buffer *buffer : *plan.buffers())
    interface.emplace_back(buffer->offset(), buffer->bytes());
  std::vector<Area> areas;
  addRun(areas, "parameters", "f0", parameters);
  addRun(areas, "gradients", "f1", gradients);
  addRun(areas, "optimizer state and averages", "f3", states);
  addRun(areas, "inputs and results", "f4", interface);
  return areas;
}

/// A kernel's kind decides the colour of what it makes.
const char *styleOf(const std::string &label) { return label.starts_with("copy") ? "f2" : "f5"; }

const fb::Program *gradientProgram(const fb::TargetPlan &plan) {
  for (const fb::Program *program : *plan.programs())
    if (program->kind() == fb::ProgramKind::TrainStep ||
        program->kind() == fb::ProgramKind::GradientStep)
      return program;
  return nullptr;
}

class Picture {
public:
  Picture(uint32_t stages, uint64_t bytes) : stages(stages), bytes(bytes) {}

  std::string axes() const {
    std::string svg;
    uint64_t tick = std::bit_ceil(std::max<uint64_t>(bytes / 4, 1));
    for (uint64_t at = 0; at <= bytes; at += tick) {
      double y = bottom - (bottom - top) * double(at) / double(bytes);
      svg += format("<line class=grid x1=%g x2=%g y1=%.1f y2=%.1f /><text x=%g y=%.1f "
                    "text-anchor=end>%s</text>",
                    left, right, y, y, left - 6, y + 4, byteText(at).c_str());
    }
    uint32_t step = std::max(1u, stages / 10);
    for (uint32_t stage = 0; stage < stages; stage += step)
      svg += format("<text x=%.1f y=%g text-anchor=middle>%u</text>",
                    left + (right - left) * (stage + 0.5) / stages, bottom + 15, stage + 1);
    return svg +
           format("<text x=%g y=%g text-anchor=end>stage of the step</text>\n", right, bottom + 30);
  }

  std::string rectangle(const Area &area) const {
    double x = left + (right - left) * area.first / stages;
    double width = (right - left) * (area.last - area.first + 1) / stages;
    double height = (bottom - top) * double(area.bytes) / double(bytes);
    double y = bottom - (bottom - top) * double(area.offset) / double(bytes) - height;
    std::string title = area.name + ": " + byteText(area.bytes) + " at " + byteText(area.offset) +
                        format(", stages %u to %u", area.first + 1, area.last + 1);
    return format("<rect class=%s x=%.1f y=%.2f width=%.1f height=%.2f><title>", area.style, x, y,
                  width, height) +
           escapeHtml(title) + "</title></rect>\n";
  }

private:
  uint32_t stages;
  uint64_t bytes;
};

struct Peak {
  uint64_t bytes = 0;
  uint32_t stage = 0;
};

Peak peakOf(const std::vector<Area> &values, uint32_t stages) {
  std::vector<int64_t> change(stages + 1);
  for (const Area &value : values) {
    change[value.first] += int64_t(value.bytes);
    change[value.last + 1] -= int64_t(value.bytes);
  }
  Peak peak;
  int64_t now = 0;
  for (uint32_t stage = 0; stage < stages; ++stage)
    if (now += change[stage]; uint64_t(now) > peak.bytes)
      peak = {uint64_t(now), stage};
  return peak;
}

std::string keyOf(const std::vector<Area> &lasting) {
  std::string html = "<p class=key>";
  auto entry = [&](const char *style, const std::string &text) {
    html += std::string("<span><i class=") + style + "></i>" + escapeHtml(text) + "</span> ";
  };
  for (const Area &area : lasting)
    entry(area.style, area.name);
  entry("f5", "values of kernels");
  entry("f2", "packed and copied");
  return html + "</p>\n";
}

/// "chain fc1, fc2, 9 more".
std::string shortLabel(const std::string &label) {
  constexpr size_t most = 3;
  size_t space = label.find(' ');
  bool isList = label.find(", ") != std::string::npos;
  return isList ? label.substr(0, space + 1) + compactNames(layersOfLabel(label), most) : label;
}

std::string areaTable(const std::vector<Area> &lasting, const std::vector<Area> &values) {
  std::string rows = htmlCells({{"what", true}, {"bytes"}, {"at"}, {"stages"}}, "th");
  auto add = [&](const Area &area) {
    rows += htmlCells({{shortLabel(area.name), true},
                       {byteText(area.bytes)},
                       {byteText(area.offset)},
                       {format("%u to %u", area.first + 1, area.last + 1)}});
  };
  std::ranges::for_each(lasting, add);
  for (size_t i = 0; i < std::min(values.size(), mostRows); ++i)
    add(values[i]);
  return htmlTable(rows, "first");
}

} // namespace

std::string memoryMap(const fb::Phase &phase, const fb::TargetPlan &plan) {
  const fb::Program *program = gradientProgram(plan);
  if (!program || program->stages()->size() == 0 || plan.arena_bytes() == 0)
    return "";
  uint32_t stages = program->stages()->size();
  std::vector<Area> lasting = lastingAreas(phase, plan), values;
  for (Area &area : lasting)
    area.last = stages - 1;
  if (program->values())
    for (const fb::Value *value : *program->values())
      values.push_back({value->label()->str(), value->offset(), value->bytes(), value->first(),
                        value->last(), styleOf(value->label()->str())});
  std::ranges::sort(values, [](const Area &a, const Area &b) {
    return std::tuple(b.bytes, a.first, a.offset) < std::tuple(a.bytes, b.first, b.offset);
  });
  uint64_t kept = 0, all = 0;
  for (const Area &area : lasting)
    kept += area.bytes;
  for (const Area &value : values)
    all += value.bytes;
  Peak peak = peakOf(values, stages);

  Picture picture(stages, plan.arena_bytes());
  std::string svg = "<div class=\"map memory\"><svg viewBox=\"0 0 1000 380\" role=img "
                    "aria-label=\"Memory by stage; the table below has the largest\">\n" +
                    picture.axes();
  svg += "<g class=lasting>\n";
  for (const Area &area : lasting)
    svg += picture.rectangle(area);
  svg += "</g>\n";
  for (size_t i = 0; i < std::min(values.size(), mostValues); ++i)
    svg += picture.rectangle(values[i]);
  svg += "</svg></div>\n";
  std::string text = "<p>One arena of " + byteText(plan.arena_bytes()) + ": " + byteText(kept) +
                     " that last, and values that share the rest";
  if (values.empty())
    text += "; this binary does not say where they lie (compile the spec again)";
  else
    text += format(": %zu of %s together, at most %s at once, in stage %u", values.size(),
                   byteText(all).c_str(), byteText(peak.bytes).c_str(), peak.stage + 1);
  text += ".</p>\n";
  if (values.size() > mostValues)
    text += format("<p class=note>%zu of the smallest are not drawn.</p>\n",
                   values.size() - mostValues);
  return text + keyOf(lasting) + svg + areaTable(lasting, values);
}

} // namespace danaus
