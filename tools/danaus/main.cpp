// danaus: the program that trains and measures compiled models. It links no MLIR; a spec is
// compiled by the danausc beside it.
#include "runtime/base/Nearest.h"
#include "runtime/trace/Nvtx.h"
#include "tools/danaus/Manual.h"
#include "tools/danaus/command/Verb.h"

using namespace danaus;
using namespace danaus::tool;

static void printHelp() {
  std::puts("danaus: train neural networks with dense, low-rank and Monarch layers\n\n"
            "usage: danaus VERB MODEL [key=value ...] [options]\n"
            "       danaus VERB --help\n"
            "       danaus help --man       the man page\n");
  for (const Verb &verb : allVerbs())
    std::printf("  %-10s %s\n", verb.name, verb.summary);
  std::puts("\nMODEL is a spec (.yaml), a compiled model (.dnb) or the folder of a run.\n"
            "key=value sets one value of the spec: train.epochs=3 optimizer.lr=5e-4\n\n"
            "exit codes:");
  for (const ExitCodeText &code : exitCodeTexts())
    std::printf("  %2d  %s\n", code.code, code.text);
}

static Status runVerb(const std::string &name, const Arguments &arguments) {
  std::vector<std::string> names;
  for (const Verb &verb : allVerbs()) {
    if (name == verb.name)
      return verb.run(arguments);
    names.push_back(verb.name);
  }
  std::optional<std::string> nearest = nearestName(name, names);
  return Error(ExitCode::Usage, "there is no verb '" + name + "'" +
                                    (nearest ? ": did you mean '" + *nearest + "'?" : "") +
                                    " (danaus --help lists them)");
}

/// help, help VERB, help --man.
static Status runHelp(const Arguments &arguments) {
  if (arguments.empty())
    printHelp();
  else if (arguments.size() > 1)
    return Error(ExitCode::Usage, "help takes one verb, or --man, not '" + arguments[1] + "' too");
  else if (arguments.front() == "--man")
    std::fputs(manPage().c_str(), stdout);
  else
    return runVerb(arguments.front(), {"--help"});
  return Status::ok();
}

int main(int argc, char **argv) {
  std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h") {
    printHelp();
    return name.empty() ? int(ExitCode::Usage) : 0;
  }
  if (Status status = trace::attachNvtx(); !status)
    std::fprintf(stderr, "danaus: warning: %s\n", status.error().message().c_str());
  Arguments arguments(argv + 2, argv + argc);
  Status status = name == "help" ? runHelp(arguments) : runVerb(name, arguments);
  if (status && (std::fflush(stdout) != 0 || std::ferror(stdout)))
    status = Error(ExitCode::IoError, "cannot write to the standard output");
  if (status)
    return 0;
  if (!status.error().message().empty())
    std::fprintf(stderr, "danaus: error: %s\n", status.error().message().c_str());
  return int(status.error().code());
}
