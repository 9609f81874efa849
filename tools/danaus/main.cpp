// danaus: the program that trains and measures compiled models. It links no MLIR; a spec is
// compiled by the danausc beside it.
#include "runtime/base/Nearest.h"
#include "tools/danaus/Verb.h"

using namespace danaus;
using namespace danaus::tool;

static const Verb verbs[] = {
    {"train", "train a model on its data; writes runs/NAME", runTrain},
    {"eval", "loss and accuracy of a run or of a weight file", runEval},
    {"predict", "the most probable classes of image files, by a run", runPredict},
    {"summary", "layers, parameters, arithmetic and memory of a model", runSummary},
    {"bench", "time of a step, images per second, peak memory", runBench},
    {"profile", "what the kernels of a step did; on the virtual GPU exact counts", runProfile},
    {"compare", "train several specs with several seeds: accuracy, time, a test", runCompare},
    {"advise", "which layers could be low-rank or Monarch, and what it brings", runAdvise},
    {"convert", "weights of one structure for a model of another", runConvert},
    {"export", "a model with its weights as an ONNX file, for other programs", runExport},
    {"data", "data check: which dataset is in a folder, and is all of it whole", runData},
    {"devices", "what this machine can run models on, and why not", runDevices},
};

static void printHelp() {
  std::puts("danaus: train neural networks with dense, low-rank and Monarch layers\n\n"
            "usage: danaus VERB MODEL [key=value ...] [options]\n"
            "       danaus VERB --help\n");
  for (const Verb &verb : verbs)
    std::printf("  %-9s %s\n", verb.name, verb.summary);
  std::puts("\nMODEL is a spec (.yaml), a compiled model (.dnb) or the folder of a run.\n"
            "key=value sets one value of the spec: train.epochs=3 optimizer.lr=5e-4\n\n"
            "exit codes: 0 done, 1 internal error, 2 usage, 3 spec invalid, 4 data invalid,\n"
            "5 checkpoint or binary invalid, 6 device unavailable, 7 another rank failed,\n"
            "8 diverged, 9 input/output error, 75 stopped on request (checkpoint written)");
}

static Status runVerb(const std::string &name, const Arguments &arguments) {
  std::vector<std::string> names;
  for (const Verb &verb : verbs) {
    if (name == verb.name)
      return verb.run(arguments);
    names.push_back(verb.name);
  }
  std::optional<std::string> nearest = nearestName(name, names);
  return Error(ExitCode::Usage, "there is no verb '" + name + "'" +
                                    (nearest ? ": did you mean '" + *nearest + "'?" : "") +
                                    " (danaus --help lists them)");
}

int main(int argc, char **argv) {
  std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    printHelp();
    return name.empty() ? int(ExitCode::Usage) : 0;
  }
  Status status = runVerb(name, Arguments(argv + 2, argv + argc));
  if (status && (std::fflush(stdout) != 0 || std::ferror(stdout)))
    status = Error(ExitCode::IoError, "cannot write to the standard output");
  if (status)
    return 0;
  if (!status.error().message().empty())
    std::fprintf(stderr, "danaus: error: %s\n", status.error().message().c_str());
  return int(status.error().code());
}
