// JSON from files that may be damaged or hostile: nlohmann's parser without exceptions, with what
// it does not check: repeated keys (it keeps the last silently) and depth.
#pragma once

#include "runtime/base/Status.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace danaus {

/// `what` begins the message: "'x.json'"; `code` is that of the error.
Expected<nlohmann::json> parseJson(std::string_view text, const std::string &what, ExitCode code,
                                   int depthLimit = 16);

} // namespace danaus
