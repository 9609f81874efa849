// The arguments of one verb: options, help page, and usage errors that name the nearest option.
// Hides CLI11, which is compiled once, here.
#pragma once

#include "tools/danaus/Verb.h"

#include <cstdint>
#include <memory>

namespace CLI {
class App;
}

namespace danaus::tool {

class CommandLine {
public:
  /// `description` opens the help page, `examples` closes it (a command line each).
  CommandLine(const std::string &verb, const std::string &description,
              const std::vector<std::string> &examples);
  ~CommandLine();

  /// What is declared here is written into the variables by parse(); they must live until then.
  void positional(std::string &into, const std::string &name, const std::string &help);
  void rest(std::vector<std::string> &into, const std::string &name, const std::string &help);
  void option(std::string &into, const std::string &name, const std::string &value,
              const std::string &help);
  void option(uint64_t &into, const std::string &name, const std::string &help);
  void choice(std::string &into, const std::string &name, const std::vector<std::string> &values,
              const std::string &help);
  void flag(bool &into, const std::string &name, const std::string &help);

  enum class Outcome { Run, HelpShown };
  /// Usage errors as values; --help prints the page.
  Expected<Outcome> parse(const Arguments &arguments);

private:
  Error usage(const std::string &what) const;
  Error unknown(const std::string &argument) const;

  std::string verb;
  std::unique_ptr<CLI::App> app;
};

} // namespace danaus::tool
