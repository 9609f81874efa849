// See Page.h.
#include "runtime/report/Page.h"

#include "runtime/base/Status.h"
#include "runtime/report/Chart.h"

namespace danaus {

static constexpr const char *pageHead = R"(<meta name=viewport content="width=device-width">
<style>
:root { color-scheme: light dark; --ink: #1d2330; --dim: #667085; --paper: #fff; --line: #e3e6ec;
  --s0: #2563c9; --s1: #d9480f; --s2: #2b8a3e; --s3: #862e9c; --s4: #b08900; --s5: #0b7285; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --paper: #14171d;
  --line: #2b303a; --s0: #6ea8fe; --s1: #ff9d5c; --s2: #69db7c; --s3: #da77f2;
  --s4: #ffd43b; --s5: #3bc9db; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; }
svg text { font-size: 11px; fill: var(--dim); } .grid { stroke: var(--line); }
path { fill: none; stroke-width: 1.8; }
.s0 path { stroke: var(--s0); } .s0 circle { fill: var(--s0); } span.s0 { color: var(--s0); }
.s1 path { stroke: var(--s1); } .s1 circle { fill: var(--s1); } span.s1 { color: var(--s1); }
.s2 path { stroke: var(--s2); } .s2 circle { fill: var(--s2); } span.s2 { color: var(--s2); }
.s3 path { stroke: var(--s3); } .s3 circle { fill: var(--s3); } span.s3 { color: var(--s3); }
.s4 path { stroke: var(--s4); } .s4 circle { fill: var(--s4); } span.s4 { color: var(--s4); }
.s5 path { stroke: var(--s5); } .s5 circle { fill: var(--s5); } span.s5 { color: var(--s5); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; } th { color: var(--dim); font-weight: 500; }
.left td:first-child, .left th:first-child, .left td:nth-child(2), .left th:nth-child(2) {
  text-align: left; } tr.best td { font-weight: 700; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .8rem; font-size: 13px; }
</style>
)";

std::string htmlPage(const std::string &title, const std::string &body) {
  std::string text = escapeHtml(title);
  return "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>" + text + "</title>\n" +
         pageHead + "<h1>" + text + "</h1>\n" + body + "</html>\n";
}

std::string htmlRow(const std::vector<std::string> &cells, const char *tag,
                    const char *attributes) {
  std::string html = std::string("<tr") + attributes + ">";
  for (const std::string &cell : cells)
    html += std::string("<") + tag + ">" + escapeHtml(cell) + "</" + tag + ">";
  return html + "</tr>\n";
}

std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t place = text.size(); place > 3;)
    text.insert(place -= 3, ",");
  return text;
}

std::string formatMebibytes(uint64_t bytes) {
  return format("%.1f MiB", double(bytes) / (1 << 20));
}

} // namespace danaus
