// Every verb, in the order in which --help and the man page list them.
#include "tools/danaus/command/Verb.h"

namespace danaus::tool {

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
    {"report", "the page of a run, made again from its folder", runReport},
    {"plot", "curves of one or more runs as one SVG file", runPlot},
    {"data", "data check: which dataset is in a folder, and is all of it whole", runData},
    {"devices", "what this machine can run models on, and why not", runDevices},
    {"completion", "the script that completes command lines in a shell", runCompletion},
};

std::span<const Verb> allVerbs() { return verbs; }

std::span<const ExitCodeText> exitCodeTexts() {
  static constexpr ExitCodeText texts[] = {
      {0, "done"},
      {1, "internal error"},
      {2, "usage"},
      {3, "spec invalid"},
      {4, "data invalid"},
      {5, "checkpoint or binary invalid"},
      {6, "device unavailable"},
      {7, "another rank failed"},
      {8, "diverged"},
      {9, "input/output error"},
      {75, "stopped on request (checkpoint written)"},
  };
  return texts;
}

} // namespace danaus::tool
