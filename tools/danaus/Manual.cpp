// danaus(1).
#include "tools/danaus/Manual.h"

#include "runtime/base/Roff.h"
#include "tools/danaus/command/CommandLine.h"

namespace danaus::tool {

static std::string manVerb(const Verb &verb) {
  VerbPage page = CommandLine::describe(verb);
  std::string text = ".SS danaus " + roff(verb.name) + "\n" + roff(page.description) + "\n";
  for (const VerbPage::Entry &entry : page.entries)
    text += roffEntry(entry.names, entry.value, entry.help);
  if (!page.examples.empty())
    text += ".PP\nExamples:\n.PP\n.nf\n";
  for (const std::string &example : page.examples)
    text += roff(example) + "\n";
  return text + (page.examples.empty() ? "" : ".fi\n");
}

std::string manPage() {
  std::string text = roffHead("danaus", DANAUS_VERSION,
                              "train neural networks with dense, low-rank and Monarch layers") +
                     ".SH SYNOPSIS\n"
                     "\\fBdanaus\\fR \\fIVERB MODEL\\fR [\\fIkey=value\\fR ...] [\\fIoptions\\fR]\n"
                     ".SH DESCRIPTION\n"
                     "\\fIMODEL\\fR is a spec (.yaml), a compiled model (.dnb) or the folder of a "
                     "run.\n\\fIkey=value\\fR sets one value of the spec, such as train.epochs=3.\n"
                     "Results go to standard output, progress and errors to standard error.\n"
                     ".SH VERBS\n";
  for (const Verb &verb : allVerbs())
    text += ".TP\n\\fB" + roff(verb.name) + "\\fR\n" + roff(verb.summary) + "\n";
  text += ".SH OPTIONS\n";
  for (const Verb &verb : allVerbs())
    text += manVerb(verb);
  text += ".SH EXIT STATUS\n";
  for (const ExitCodeText &code : exitCodeTexts())
    text += ".TP\n\\fB" + std::to_string(code.code) + "\\fR\n" + roff(code.text) + "\n";
  text += ".SH ENVIRONMENT\n"
          ".TP\n\\fBDANAUS_DATA\\fR\nThe folder that holds datasets.\n"
          ".TP\n\\fBXDG_CACHE_HOME\\fR\nCompiled models and kernels are kept in its folder danaus "
          "[~/.cache].\n"
          ".TP\n\\fBDANAUS_CACHE\\fR\nThe folder itself, in place of that.\n"
          ".TP\n\\fBNO_COLOR\\fR\nNot empty: progress without colours.\n"
          ".TP\n\\fBTERM\\fR\nWith \"dumb\", progress is plain lines.\n";
  return text;
}

} // namespace danaus::tool
