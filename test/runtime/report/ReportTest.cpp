// The page of a run: what is on it, and that it needs nothing else.
#include "runtime/report/Report.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

ReportContent reportContent() {
  ReportContent content;
  content.summary.model = "a<b>&\"c\"";
  content.summary.device = "cpu";
  content.summary.params = 118666;
  content.summary.macs = 118016;
  content.summary.denseMacs = 167168;
  content.summary.bestEpoch = 2;
  content.layers = {{"hidden.0", "low_rank r=16", 128, 128, 4224, 4096, 16384}};
  content.environment = {{"threads", "2"}};
  content.spec = "name: <script>alert(1)</script>\n";
  for (uint64_t epoch : {1, 2, 3})
    content.epochs.push_back(
        {epoch, epoch * 10, 0.5 / double(epoch), 0.25, 0.875, 1e-3, 0.5, 98000});
  return content;
}

TEST(Report, ShowsEverythingAndNeedsNothing) {
  std::string html = renderReport(reportContent());
  for (const char *part :
       {"<title>a&lt;b&gt;&amp;&quot;c&quot;</title>", "&lt;script&gt;alert(1)", "118,666",
        "low_rank r=16", "25.0 %", "prefers-color-scheme: dark", "Validation accuracy",
        "<tr class=best><td>2</td>", "<td>threads</td><td>2</td>"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  for (const char *part : {"<script", "http:", "https:", "src=", "<link"})
    EXPECT_EQ(html.find(part), std::string::npos) << part;
}

} // namespace
