// danausc(1), from the options that its --help shows.
#pragma once

#include "llvm/Support/CommandLine.h"

#include <string>

namespace danaus {

/// The manual page in roff; options are those of `category`, in the order of their names.
std::string manPage(llvm::cl::OptionCategory &category);

/// The exit codes of danausc, a line each: "0 done".
llvm::ArrayRef<std::pair<int, const char *>> exitCodeTexts();

} // namespace danaus
