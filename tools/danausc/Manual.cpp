// See Manual.h.
#include "tools/danausc/Manual.h"

#include "runtime/base/Roff.h"

#include <map>

using namespace danaus;
namespace cl = llvm::cl;

llvm::ArrayRef<std::pair<int, const char *>> danaus::exitCodeTexts() {
  static constexpr std::pair<int, const char *> texts[] = {{0, "done"},
                                                           {1, "internal error"},
                                                           {2, "usage"},
                                                           {3, "spec invalid"},
                                                           {9, "input/output error"}};
  return texts;
}

std::string danaus::manPage(cl::OptionCategory &category) {
  std::string text =
      roffHead("danausc", DANAUS_VERSION, "compile a model spec to a model binary") +
      ".SH SYNOPSIS\n\\fBdanausc\\fR \\fISPEC.yaml\\fR [\\fIkey=value\\fR ...] [\\fB\\-o\\fR "
      "\\fIMODEL.dnb\\fR] [\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n" +
      roff("Compiles a neural network described in YAML to one file for danaus(1), or prints a "
           "stage of the way there. Any value of the spec can be set as key=value: "
           "train.epochs=3. '-' reads the spec from standard input.") +
      "\n.SH OPTIONS\n";
  std::map<std::string, cl::Option *> options;
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (llvm::is_contained(option->Categories, &category) && option->hasArgStr())
      options[name.str()] = option;
  for (const auto &[name, option] : options)
    text += roffEntry({(name.size() == 1 ? "-" : "--") + name}, option->ValueStr.str(),
                      option->HelpStr.str());
  text += roffEntry({"--help", "--version"}, "",
                    "Tells all options, also those of MLIR's passes, or the version");
  text += ".SH EXIT STATUS\n";
  for (auto [code, meaning] : exitCodeTexts())
    text += ".TP\n\\fB" + std::to_string(code) + "\\fR\n" + roff(meaning) + "\n";
  text += ".SH ENVIRONMENT\n"
          ".TP\n\\fBXDG_CACHE_HOME\\fR\nCompiled models and kernels are kept in its folder danaus "
          "[~/.cache].\n"
          ".TP\n\\fBDANAUS_CACHE\\fR\nThe folder itself, in place of that.\n";
  return text + ".SH EXAMPLES\n.nf\n" +
         roff("danausc models/mnist_mlp.yaml -o mlp.dnb --target cpu,cuda\n"
              "danausc models/vit_s16.yaml --emit=fusion --svg -o fusion.svg\n") +
         ".fi\n.SH SEE ALSO\n\\fBdanaus\\fR(1)\n";
}
