// danaus report: the pages of runs, made again from their folders.
#include "runtime/report/Report.h"
#include "runtime/base/AtomicFile.h"
#include "tools/danaus/command/CommandLine.h"
#include "tools/danaus/command/Verb.h"

namespace danaus::tool {

namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output;
  bool force = false;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, ReportArguments &into) {
  CommandLine line(
      "report",
      "Makes the page of a run from the files in its folder: curves, layers, kernels\n"
      "beside the limits of the machine, memory, fusion, environment and spec, in one\n"
      "file that needs no network. `danaus train` does this at its end; this verb does\n"
      "it for a run that still trains, and again after a new version of Danaus. It\n"
      "writes report.html into each RUN, in place of the one that is there.",
      {"danaus report runs/mnist_mlp", "danaus report runs/*",
       "danaus report runs/mnist_mlp -o page.html"});
  line.rest(into.runs, "RUN", "folders of runs");
  line.option(into.output, "-o,--output", "FILE",
              "of one RUN: the page to write [RUN/report.html]");
  line.flag(into.force, "--force", "overwrite FILE");
  return line.parse(words);
}

Status writeTo(const std::string &file, const std::string &folder) {
  auto run = readRunFiles(folder);
  if (!run)
    return run.takeError();
  return writeFileAtomically(file, renderReport(*run));
}

} // namespace

Status runReport(const Arguments &words) {
  ReportArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.runs.empty())
    return Error(ExitCode::Usage, "report: RUN is required: the folder of a run");
  const std::string &output = arguments.output;
  if (!output.empty() && arguments.runs.size() > 1)
    return Error(ExitCode::Usage, "report: -o takes the page of one RUN: leave it out, and each "
                                  "RUN gets a report.html");
  if (Status status = checkOutput(output, arguments.force ? Existing::Overwrite : Existing::Keep);
      !status)
    return status;
  for (const std::string &run : arguments.runs) {
    Status status = output.empty() ? writeReport(run) : writeTo(output, run);
    if (!status)
      return status;
    std::printf("%s\n", output.empty() ? joinPath(run, "report.html").c_str() : output.c_str());
  }
  return Status::ok();
}

} // namespace danaus::tool
