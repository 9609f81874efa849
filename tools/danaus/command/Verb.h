// The verbs of the program: one file each, listed in tools/danaus/Verbs.cpp. A verb parses its own
// arguments, calls the runtime and prints results on stdout, the rest on stderr.
#pragma once

#include "runtime/base/Status.h"

#include <span>
#include <string>
#include <vector>

namespace danaus::tool {

using Arguments = std::vector<std::string>;

struct Verb {
  const char *name;
  const char *summary; ///< one line of `danaus --help`
  Status (*run)(const Arguments &arguments);
};

std::span<const Verb> allVerbs();

struct ExitCodeText {
  int code;
  const char *text;
};
/// What the program's exit codes mean, ascending.
std::span<const ExitCodeText> exitCodeTexts();

Status runTrain(const Arguments &arguments);
Status runEval(const Arguments &arguments);
Status runPredict(const Arguments &arguments);
Status runSummary(const Arguments &arguments);
Status runBench(const Arguments &arguments);
Status runAdvise(const Arguments &arguments);
Status runCompare(const Arguments &arguments);
Status runConvert(const Arguments &arguments);
Status runExport(const Arguments &arguments);
Status runProfile(const Arguments &arguments);
Status runData(const Arguments &arguments);
Status runDevices(const Arguments &arguments);
Status runPlot(const Arguments &arguments);
Status runReport(const Arguments &arguments);
Status runCompletion(const Arguments &arguments);

/// An error with an empty message: it has been printed already (by the compiler).
inline Error alreadyReported(ExitCode code) { return Error(code, ""); }

} // namespace danaus::tool
