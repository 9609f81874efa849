// danaus(1).
#include "tools/danaus/Manual.h"

#include "tools/danaus/CommandLine.h"

namespace danaus::tool {

/// Text as roff: backslashes and dashes are escaped, a line cannot begin a request.
static std::string roff(const std::string &text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    char character = text[at];
    if ((at == 0 || text[at - 1] == '\n') && (character == '.' || character == '\''))
      out += "\\&";
    if (character == '\\')
      out += "\\e";
    else if (character == '-')
      out += "\\-";
    else
      out += character;
  }
  return out;
}

static std::string manEntry(const VerbPage::Entry &entry) {
  std::string names;
  for (const std::string &name : entry.names)
    names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  if (!entry.value.empty())
    names += " \\fI" + roff(entry.value) + "\\fR";
  return ".TP\n" + names + "\n" + roff(entry.help) + "\n";
}

static std::string manVerb(const Verb &verb) {
  VerbPage page = CommandLine::describe(verb);
  std::string text = ".SS danaus " + roff(verb.name) + "\n" + roff(page.description) + "\n";
  for (const VerbPage::Entry &entry : page.entries)
    text += manEntry(entry);
  if (!page.examples.empty())
    text += ".PP\nExamples:\n.PP\n.nf\n";
  for (const std::string &example : page.examples)
    text += roff(example) + "\n";
  return text + (page.examples.empty() ? "" : ".fi\n");
}

std::string manPage() {
  std::string text = ".TH DANAUS 1 \"\" \"Danaus " DANAUS_VERSION "\" \"User Commands\"\n"
                     ".SH NAME\n"
                     "danaus \\- train neural networks with dense, low\\-rank and Monarch layers\n"
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
          ".TP\n\\fBXDG_CACHE_HOME\\fR\nCompiled models are kept in its folder danaus "
          "[~/.cache].\n"
          ".TP\n\\fBNO_COLOR\\fR\nNot empty: progress without colours.\n"
          ".TP\n\\fBTERM\\fR\nWith \"dumb\", progress is plain lines.\n";
  return text;
}

} // namespace danaus::tool
