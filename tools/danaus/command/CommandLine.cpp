// See CommandLine.h.
#include "tools/danaus/command/CommandLine.h"

#include "runtime/base/File.h"
#include "runtime/base/Nearest.h"

#include <CLI/CLI.hpp>

namespace danaus::tool {

/// Where parse() describes in place of parsing.
static thread_local VerbPage *describing = nullptr;

CommandLine::CommandLine(const std::string &verb, const std::string &description,
                         const std::vector<std::string> &examples)
    : verb(verb), examples(examples),
      app(std::make_unique<CLI::App>(description, "danaus " + verb)) {
  std::string footer = "Examples:";
  for (const std::string &example : examples)
    footer += "\n  " + example;
  app->footer(footer);
  app->get_formatter()->column_width(28);
  app->allow_extras();
}

CommandLine::~CommandLine() = default;

void CommandLine::positional(std::string &into, const std::string &name, const std::string &help) {
  app->add_option(name, into, help)->required()->type_name("");
}

void CommandLine::rest(std::vector<std::string> &into, const std::string &name,
                       const std::string &help) {
  app->add_option(name, into, help)->type_name("");
}

void CommandLine::option(std::string &into, const std::string &name, const std::string &value,
                         const std::string &help) {
  app->add_option(name, into, help)->type_name(value);
}

void CommandLine::option(uint64_t &into, const std::string &name, const std::string &help) {
  // Without the check "-1" would wrap around; without its name the help page is quieter.
  app->add_option(name, into, help)
      ->type_name("N")
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""));
}

void CommandLine::choice(std::string &into, const std::string &name,
                         const std::vector<std::string> &values, const std::string &help) {
  std::string all;
  for (const std::string &value : values)
    all += (all.empty() ? "" : "|") + value;
  app->add_option(name, into, help)->type_name(all)->check(CLI::IsMember(values).description(""));
}

void CommandLine::flag(bool &into, const std::string &name, const std::string &help) {
  app->add_flag(name, into, help);
}

Error CommandLine::usage(const std::string &what) const {
  return Error(ExitCode::Usage, what + " (danaus " + verb + " --help explains the arguments)");
}

Error CommandLine::unknown(const std::string &argument) const {
  if (argument.empty() || argument[0] != '-')
    return usage("unexpected argument '" + argument + "'");
  std::vector<std::string> names;
  for (const CLI::Option *option : app->get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  std::optional<std::string> nearest = nearestName(argument.substr(0, argument.find('=')), names);
  return usage("there is no option '" + argument + "'" +
               (nearest ? ": did you mean '" + *nearest + "'?" : ""));
}

std::vector<std::string> VerbPage::Entry::choices() const {
  std::vector<std::string> parts;
  if (value.find('|') == std::string::npos)
    return parts;
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = value.find('|', begin);
    parts.push_back(value.substr(begin, end - begin));
  }
  return parts;
}

VerbPage CommandLine::page() const {
  VerbPage page{verb, app->get_description(), {}, examples};
  for (const CLI::Option *option : app->get_options()) {
    VerbPage::Entry entry;
    entry.help = option->get_description();
    entry.isOption = !option->get_positional();
    if (entry.isOption) {
      for (const std::string &name : option->get_snames())
        entry.names.push_back("-" + name);
      for (const std::string &name : option->get_lnames())
        entry.names.push_back("--" + name);
      entry.value = option->get_items_expected_max() > 0 ? option->get_type_name() : "";
    } else {
      entry.names.push_back(option->get_single_name());
    }
    page.entries.push_back(entry);
  }
  return page;
}

VerbPage CommandLine::describe(const Verb &verb) {
  VerbPage page;
  describing = &page;
  (void)verb.run({});
  describing = nullptr;
  return page;
}

Expected<CommandLine::Outcome> CommandLine::parse(const Arguments &arguments) {
  if (describing) {
    *describing = page();
    return Outcome::HelpShown;
  }
  try {
    // CLI11 takes a vector from its end.
    app->parse(Arguments(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp &) {
    std::fputs(app->help().c_str(), stdout);
    return Outcome::HelpShown;
  } catch (const CLI::ParseError &error) {
    return usage(error.what());
  }
  if (std::vector<std::string> extra = app->remaining(); !extra.empty())
    return unknown(extra.front());
  return Outcome::Run;
}

Status checkOutput(const std::string &path, Existing existing) {
  if (path.empty() || existing == Existing::Overwrite || !pathExists(path))
    return Status::ok();
  return Error(ExitCode::Usage,
               "'" + path + "' exists: name another file, or --force overwrites it");
}

} // namespace danaus::tool
