// The checks run in nlohmann's parser callback, which sees every key.
#include "runtime/base/Json.h"

#include <set>
#include <vector>

namespace danaus {

Expected<nlohmann::json> parseJson(std::string_view text, const std::string &what, ExitCode code,
                                   int depthLimit) {
  using nlohmann::json;
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  bool tooDeep = false;
  auto check = [&](int depth, json::parse_event_t event, json &parsed) {
    if (depth > depthLimit)
      tooDeep = true;
    if (event == json::parse_event_t::object_start)
      keys.emplace_back();
    else if (event == json::parse_event_t::object_end)
      keys.pop_back();
    else if (event == json::parse_event_t::key &&
             !keys.back().insert(parsed.get_ref<const std::string &>()).second && repeated.empty())
      repeated = parsed.get<std::string>();
    return !tooDeep;
  };
  json value = json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (tooDeep)
    return Error(code, what + format(": JSON nested deeper than %d", depthLimit));
  if (!repeated.empty())
    return Error(code, what + ": the key \"" + repeated + "\" is there twice");
  if (value.is_discarded())
    return Error(code, what + ": not valid JSON");
  return value;
}

} // namespace danaus
