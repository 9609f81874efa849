// The page of a run: what is on it, that it needs nothing else, and that no text of a spec becomes
// a part of the page.
#include "runtime/report/Report.h"
#include "runtime/report/CurveData.h"
#include "runtime/report/Sections.h"

#include "runtime/run/RunRecord.h"
#include "test/runtime/support/TempFolder.h"
#include "test/runtime/support/TinyModel.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr const char *evil = "</script><script>alert(1)</script>";

class ReportTest : public ::testing::Test {
protected:
  TempFolder folder;

  std::string path(const std::string &name) { return folder / name; }
  void write(const std::string &name, const std::string &text) {
    std::ofstream(path(name)) << text;
  }

  void SetUp() override {
    fb::ModelT model = tinyModel({.spec = std::string("name: ") + evil + "\n"});
    model.name = evil;
    fb::TargetPlanT &plan = *model.phases[0]->targets[0];
    model.phases[0]->layers[0]->name = evil;
    model.phases[0]->layers[0]->structure = "low_rank r=16";
    for (auto &program : plan.programs) {
      program->stages[0]->launches[0]->label = std::string("contract ") + evil;
      auto value = std::make_unique<fb::ValueT>();
      value->label = std::string("contract ") + evil;
      value->bytes = 3 << 10;
      program->values.push_back(std::move(value));
    }
    ASSERT_TRUE(succeeds(writeTinyModel(path(runModelFile), model)));
    write("metrics.jsonl",
          "{\"step\": 1, \"loss\": 2.5, \"grad_norm\": 0.75}\n"
          "{\"epoch\": 1, \"step\": 10, \"train_loss\": 0.5, \"val_loss\": 0.25, "
          "\"val_accuracy\": 0.875, \"lr\": 0.001, \"grad_norm\": 0.625, \"seconds\": 1.5, "
          "\"images_per_s\": 98000}\n"
          "{\"epoch\": 2, \"step\": 20, \"train_loss\": null, \"lr\": 0.0005, \"seconds\": 0.5, "
          "\"images_per_s\": 12345.6}\n");
  }

  std::string page() {
    EXPECT_TRUE(succeeds(writeReport(folder.path())));
    return readText(path("report.html"));
  }

  void expectParts(const std::string &html, std::initializer_list<const char *> parts) {
    for (const char *part : parts)
      EXPECT_NE(html.find(part), std::string::npos) << part;
  }
};

TEST_F(ReportTest, ShowsARunThatIsNotFinished) {
  expectParts(page(), {"Not finished", "2 epochs, 20 steps",
                       "<td>0.5000</td><td>0.2500</td>"
                       "<td>0.8750</td><td>0.001</td><td>0.625</td><td>1.50 s</td>"
                       "<td>98,000</td>",
                       "<td>2</td><td></td><td></td><td></td><td>0.0005</td>", "low_rank r=16",
                       "7,850", "Kernels were not timed", "3.0 KiB", "stages 1 to 1"});
}

TEST_F(ReportTest, ShowsWhatAFinishedRunHas) {
  write("summary.json", "{\"test_accuracy\": 0.8831, \"best_val_accuracy\": 0.875, "
                        "\"best_epoch\": 1, \"seconds\": 2, \"peak_bytes\": 1048576}");
  write("environment.json", "{\"processor\": \"A & B\", \"threads\": \"2\"}");
  write("profile-1.json",
        "{\"threads\": 2, \"ms_per_step\": 1, \"taken\": \"steps 6 to 25\", \"kernels\": "
        "[{\"kernel\": \"k0\", \"kind\": \"contract\", \"layers\": [\"contract <b>\"], \"lines\": "
        "[4, 5, 9], \"launches\": 1, \"ms\": 1, \"flops\": 2000000, \"bytes\": 500000, "
        "\"limit_ms\": 0.25}, {\"kernel\": \"k1\", \"ms\": 0.5, \"flops\": 0, \"bytes\": 100}], "
        "\"by_layer\": [{\"layer\": \"update\", \"ms\": 0.5, \"estimated\": false}]}");
  std::string html = page();
  expectParts(html,
              {"<b>0.8831</b><small>test accuracy", "<b>1.0 MiB</b>", "<tr class=best><td>1</td>",
               "<td>processor</td><td class=text>A &amp; B</td>", "steps 6 to 25",
               "<td class=text>&lt;b&gt;</td>", "<td>4-5, 9</td>", "<td>25.0 %</td>",
               "<td>4.0</td>", // 2 MFLOP in half a millisecond
               "--w:66.7%", "<td>update</td>", "A step: 1.000 ms on 2 threads, steps 6 to 25."});
  EXPECT_EQ(html.find("Not finished"), std::string::npos);
  EXPECT_EQ(html.find("input wait"), std::string::npos) << "an older profile does not say it";
}

TEST_F(ReportTest, NeedsNothingAndRunsNothingOfASpec) {
  std::string html = page();
  for (const char *part :
       {"<link", "src=", "@import", "url(", "<script>alert", "</script><script>a"})
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  expectParts(html, {"Content-Security-Policy content=\"default-src 'none'",
                     "<title>&lt;/script&gt;&lt;script&gt;alert(1)", "prefers-color-scheme: dark",
                     "@media print", "Chart.js v3", "MIT License"});
}

TEST_F(ReportTest, IsTheSameWheneverItIsMade) {
  std::string first = page();
  EXPECT_EQ(first, page());
}

TEST_F(ReportTest, SaysWhatIsWrongWithAFile) {
  write("profile-1.json", "[1]");
  EXPECT_TRUE(failsWith(writeReport(folder.path()), ExitCode::CheckpointInvalid,
                        "profile-1.json' is not what a run writes there"));
  write("profile-1.json", "{");
  EXPECT_TRUE(
      failsWith(writeReport(folder.path()), ExitCode::CheckpointInvalid, "profile-1.json'"));
  EXPECT_TRUE(failsWith(writeReport(path("absent")), ExitCode::Usage, "absent' is no folder"));
  EXPECT_FALSE(pathExists(path("report.html")));
}

TEST_F(ReportTest, CurvesHaveThePointsOfTheRun) {
  auto run = readRunFiles(folder.path());
  ASSERT_TRUE(succeeds(run));
  auto charts = curveCharts(*run);
  std::map<std::string, nlohmann::ordered_json> byId;
  for (const auto &chart : charts)
    byId[chart["id"]] = chart;
  EXPECT_EQ(byId["loss"]["series"][0]["points"].dump(), "[[1.0,0.5],[2.0,null]]");
  EXPECT_EQ(byId["loss"]["series"][1]["points"].dump(), "[[1.0,0.25]]");
  EXPECT_EQ(byId["grad-norm"]["series"][0]["points"].dump(), "[[1.0,0.75]]");
  EXPECT_FALSE(byId.contains("epoch-grad-norm")) << "steps say more";
  EXPECT_FALSE(byId.contains("loss-scale"));
}

TEST_F(ReportTest, NormsOfEpochsAreShownWhereThereAreNoneOfSteps) {
  write("metrics.jsonl", "{\"step\": 1, \"loss\": 2.5}\n{\"epoch\": 1, \"grad_norm\": 0.625}\n");
  auto run = readRunFiles(folder.path());
  ASSERT_TRUE(succeeds(run));
  auto charts = curveCharts(*run);
  ASSERT_EQ(charts.size(), 2u);
  EXPECT_EQ(charts[1]["id"], "epoch-grad-norm");
  EXPECT_EQ(charts[1]["x"], "epoch");
  EXPECT_EQ(charts[1]["series"][0]["points"].dump(), "[[1.0,0.625]]");
}

TEST_F(ReportTest, ManyStepsBecomeMeans) {
  std::string rows;
  for (int step = 1; step <= 10; ++step)
    rows += format("{\"step\": %d, \"loss\": %d}\n", step, step);
  write("metrics.jsonl", rows);
  auto run = readRunFiles(folder.path());
  ASSERT_TRUE(succeeds(run));
  auto series = curveCharts(*run, 4)[0]["series"][0];
  EXPECT_EQ(series["points"].dump(), "[[3.0,2.0],[6.0,5.0],[9.0,8.0],[10.0,10.0]]");
  EXPECT_EQ(series["name"], "loss, means of 3 steps");
}

TEST(Names, AreShort) {
  EXPECT_EQ(lineText({4, 5, 6, 9}), "4-6, 9");
  EXPECT_EQ(lineText({}), "");
  EXPECT_EQ(compactNames({"head", "head"}, 3), "head");
  EXPECT_EQ(compactNames({"blocks.0.q", "blocks.0.k", "blocks.1.q", "blocks.2.q", "a.7"}, 3),
            "blocks.0-2.q, blocks.0.k, a.7");
  EXPECT_EQ(compactNames({"b.0", "b.2", "b.123456789012"}, 3), "b.{0, 2}, b.123456789012");
  EXPECT_EQ(compactNames({"a", "b", "c", "d"}, 3), "a, b, c, d"); // "1 more" is no shorter
  EXPECT_EQ(compactNames({"a", "b", "c", "d", "e"}, 3), "a, b, c, 2 more");
}

TEST_F(ReportTest, RooflineHasKernelsWithArithmetic) {
  auto profile = nlohmann::json::parse(
      "{\"threads\": 2, \"limit\": {\"flops\": 1e11, \"bytes_per_second\": 1e10}, \"kernels\": "
      "[{\"kernel\": \"k0\", \"layers\": [\"a\", \"b\"], \"ms\": 1, \"flops\": 4e6, \"bytes\": "
      "2e6},"
      "{\"kernel\": \"k1\", \"ms\": 1, \"flops\": 0, \"bytes\": 1}]}");
  auto chart = rooflineChart(profile, "r");
  ASSERT_EQ(chart["kernels"].size(), 1u);
  EXPECT_EQ(chart["kernels"][0]["layers"], "a; b");
  EXPECT_EQ(chart["kernels"][0]["x"], 2.0);
  EXPECT_EQ(chart["kernels"][0]["y"], 8.0);
  ASSERT_EQ(chart["roofs"].size(), 1u) << "of a profile of before there were kinds of products";
  EXPECT_EQ(chart["roofs"][0]["name"], "float32");
  EXPECT_EQ(chart["roofs"][0]["flops"], 1e11);
  EXPECT_TRUE(rooflineChart(nlohmann::json::object(), "r").is_null());
}

TEST_F(ReportTest, ShowsWhereTheTimeOfAStepWent) {
  write("profile-1.json",
        R"({"threads": 4, "ms_per_step": 2, "taken": "steps <1>", "kernels": [], "time": {"compute":
        {"ms": 1.5, "share": 0.75}, "communication": null, "input_wait": {"ms": 0.25, "share": 0.125},
        "idle": {"ms": 0.25, "share": 0.125}}})");
  expectParts(page(),
              {"<td>compute</td><td>1.500</td>", "--w:75.0%\">75.0 %",
               "<td>communication</td><td></td><td></td>", "<td>input wait</td><td>0.250</td>",
               "A step: 2.000 ms on 4 threads, steps &lt;1&gt;."});
}

TEST_F(ReportTest, RooflineHasALineForEachKindOfProducts) {
  auto profile = nlohmann::json::parse(R"({"threads": 1, "limit": {"from": "data sheet of an <A>",
    "flops": 1e11, "matrix_flops": 9e11, "bytes_per_second": 1e10, "cache_bytes_per_second": 5e10,
    "of_products": [{"name": "float32", "flops": 1e11}, {"name": "bfloat16", "flops": 9e11}]},
    "kernels": [{"kernel": "k0", "layers": [], "ms": 1, "flops": 4e6, "bytes": 2e6,
    "limit_ms": null}]})");
  auto roofs = rooflineChart(profile, "r")["roofs"];
  ASSERT_EQ(roofs.size(), 3u);
  EXPECT_EQ(roofs[1]["name"], "bfloat16");
  EXPECT_EQ(roofs[1]["flops"], 9e11);
  EXPECT_EQ(roofs[1]["bytes_per_second"], 1e10);
  EXPECT_EQ(roofs[2]["name"], "second-level cache");
  EXPECT_EQ(roofs[2]["flops"], 9e11);
  EXPECT_EQ(roofs[2]["bytes_per_second"], 5e10);
  write("profile-1.json", profile.dump());
  expectParts(page(), {"limits by the data sheet of an &lt;A&gt;",
                       "<td>4.0</td><td>2.0</td><td></td>"}); // no limit is known
}

} // namespace
