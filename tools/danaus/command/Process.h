// Other programs, run and waited for.
#pragma once

#include "runtime/base/Status.h"

#include <functional>
#include <string>
#include <vector>

namespace danaus::tool {

enum class ChildOutput { Inherited, Discarded };

/// Runs `words[0]` (a path) with stdin and stderr of ours, and returns its exit code. Where
/// `stopRequested` is given it is asked now and then, and once it says so the child gets SIGTERM.
/// IoError where it cannot be started, Internal where a signal ended it.
Expected<int> runProcess(const std::vector<std::string> &words, ChildOutput output,
                         const std::function<bool()> &stopRequested = {});

/// The path of a program in the folder of this very one, whatever the working folder is.
std::string programBeside(const std::string &name);

} // namespace danaus::tool
