// See Roff.h.
#include "runtime/base/Roff.h"

#include <cctype>

namespace danaus {

std::string roff(const std::string &text) {
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

std::string roffEntry(const std::vector<std::string> &names, const std::string &value,
                      const std::string &help) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  if (!value.empty())
    text += " \\fI" + roff(value) + "\\fR";
  return ".TP\n" + text + "\n" + roff(help) + "\n";
}

std::string roffHead(const std::string &program, const std::string &version,
                     const std::string &summary) {
  std::string capitals = program;
  for (char &letter : capitals)
    letter = char(std::toupper(static_cast<unsigned char>(letter)));
  return ".TH " + capitals + " 1 \"\" \"Danaus " + version + "\" \"User Commands\"\n.SH NAME\n" +
         roff(program) + " \\- " + roff(summary) + "\n";
}

} // namespace danaus
