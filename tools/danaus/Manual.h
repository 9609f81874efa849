// The man page and the completion scripts, made from what the verbs declare: the same as --help.
#pragma once

#include <string>

namespace danaus::tool {

/// danaus(1) in roff.
std::string manPage();

/// Scripts that complete verbs, options, their choices and files.
std::string bashCompletion();
std::string zshCompletion();
std::string fishCompletion();

} // namespace danaus::tool
