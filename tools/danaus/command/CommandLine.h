// The arguments of one verb: options, help page, and usage errors that name the nearest option.
// Hides CLI11, which is compiled once, here.
#pragma once

#include "tools/danaus/command/Verb.h"

#include <cstdint>
#include <memory>

namespace CLI {
class App;
}

namespace danaus::tool {

/// What a verb declared, for the man page and the completion of shells.
struct VerbPage {
  struct Entry {
    std::vector<std::string> names; ///< "-o", "--out"; of a word without dashes its one name
    std::string value;              ///< "DIR", "N", "test|train"; empty: a flag or a word
    std::string help;
    bool isOption = true;
    std::vector<std::string> choices() const; ///< the parts of "test|train", else none
  };
  std::string verb, description;
  std::vector<Entry> entries;
  std::vector<std::string> examples;
};

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

  /// Runs a verb up to its parse(), which then only describes what was declared.
  static VerbPage describe(const Verb &verb);

private:
  Error usage(const std::string &what) const;
  Error unknown(const std::string &argument) const;

  VerbPage page() const;

  std::string verb;
  std::vector<std::string> examples;
  std::unique_ptr<CLI::App> app;
};

/// What becomes of a file that is in the place of one to be written.
enum class Existing { Keep, Overwrite };

/// Usage where there is one and it is to be kept; an empty path names no file.
Status checkOutput(const std::string &path, Existing existing);

} // namespace danaus::tool
