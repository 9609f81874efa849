// Pieces of manual pages, which programs print from the tables that their --help is made of.
#pragma once

#include <string>
#include <vector>

namespace danaus {

/// Text as roff: backslashes and dashes are escaped, a line cannot begin a request.
std::string roff(const std::string &text);

/// An option or an argument: its names in bold, the name of its value in italics, what it does.
std::string roffEntry(const std::vector<std::string> &names, const std::string &value,
                      const std::string &help);

/// The head of the page of a program in section 1, up to the name's line: "danaus - train ...".
std::string roffHead(const std::string &program, const std::string &version,
                     const std::string &summary);

} // namespace danaus
