// danaus completion: scripts for bash, zsh and fish.
#include "tools/danaus/Manual.h"
#include "tools/danaus/command/CommandLine.h"

namespace danaus::tool {

static std::string joined(const std::vector<std::string> &words, const std::string &between) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

static std::string verbNames() {
  std::vector<std::string> names;
  for (const Verb &verb : allVerbs())
    names.push_back(verb.name);
  return joined(names, " ") + " help";
}

/// "verb:option" patterns of a case, then what completes the word after it.
static std::string valueCases(const VerbPage &page) {
  std::string text;
  for (const VerbPage::Entry &entry : page.entries) {
    if (!entry.isOption || entry.value.empty())
      continue;
    std::vector<std::string> patterns;
    for (const std::string &name : entry.names)
      patterns.push_back(page.verb + ":" + name);
    std::string words = joined(entry.choices(), " ");
    std::string action = !words.empty() ? "COMPREPLY=($(compgen -W '" + words + "' -- \"$cur\"))"
                         : entry.value == "DIR" ? "COMPREPLY=($(compgen -d -- \"$cur\"))"
                         : entry.value == "N"   ? "COMPREPLY=()"
                                                : "COMPREPLY=($(compgen -f -- \"$cur\"))";
    text += "  " + joined(patterns, "|") + ")\n    " + action + "\n    return ;;\n";
  }
  return text;
}

static std::string optionNames(const VerbPage &page) {
  std::vector<std::string> names;
  for (const VerbPage::Entry &entry : page.entries)
    if (entry.isOption)
      names.insert(names.end(), entry.names.begin(), entry.names.end());
  return joined(names, " ");
}

std::string bashCompletion() {
  std::string values, options;
  for (const Verb &verb : allVerbs()) {
    VerbPage page = CommandLine::describe(verb);
    values += valueCases(page);
    options += "  " + page.verb + ") options='" + optionNames(page) + "' ;;\n";
  }
  return "# bash completion for danaus, made by: danaus completion bash\n"
         "_danaus() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} options=\n"
         "  local IFS=$' \\n'\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W '" +
         verbNames() +
         " --help' -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  case $verb:${COMP_WORDS[COMP_CWORD-1]} in\n" +
         values +
         "  completion:completion)\n"
         "    COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"))\n"
         "    return ;;\n"
         "  help:help)\n"
         "    COMPREPLY=($(compgen -W '" +
         verbNames() +
         " --man' -- \"$cur\"))\n"
         "    return ;;\n"
         "  esac\n"
         "  case $verb in\n" +
         options +
         "  esac\n"
         "  local IFS=$'\\n'\n"
         "  case $cur in\n"
         "  -*) COMPREPLY=($(compgen -W \"${options// /$'\\n'}\" -- \"$cur\")) ;;\n"
         "  *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _danaus danaus\n"
         "# danausc is asked for its options.\n"
         "_danausc() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} options\n"
         "  local IFS=$'\\n'\n"
         "  case $cur in\n"
         "  -*)\n"
         "    options=$(\"${COMP_WORDS[0]}\" --help 2>/dev/null |\n"
         "      sed -n 's/^  *\\(-[-a-z]*\\)[=< ].*/\\1/p')\n"
         "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
         "  *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _danausc danausc\n";
}

/// One line, within single quotes of zsh and fish; zsh's _arguments also minds brackets and colons.
static std::string quoted(const std::string &text, bool zsh) {
  std::string out;
  for (char character : text) {
    if (character == '\'')
      out += zsh ? "'\\''" : "\\'";
    else if (character == '\n')
      out += ' ';
    else if ((zsh && std::string("[]:").find(character) != std::string::npos) || character == '\\')
      out += std::string("\\") + character;
    else
      out += character;
  }
  return out;
}

static std::string zshOption(const VerbPage::Entry &entry) {
  std::string text;
  for (const std::string &name : entry.names) {
    text += " \\\n      '" + name + "[" + quoted(entry.help, true) + "]";
    std::string words = joined(entry.choices(), " ");
    if (!words.empty())
      text += ":value:(" + words + ")";
    else if (!entry.value.empty())
      text += ":" + quoted(entry.value, true) + ":" +
              (entry.value == "DIR" ? "_files -/"
               : entry.value == "N" ? " "
                                    : "_files");
    text += "'";
  }
  return text;
}

std::string zshCompletion() {
  std::string verbs, cases;
  for (const Verb &verb : allVerbs()) {
    verbs += "    '" + std::string(verb.name) + ":" + quoted(verb.summary, true) + "'\n";
    cases += "  " + std::string(verb.name) + ")\n    _arguments";
    for (const VerbPage::Entry &entry : CommandLine::describe(verb).entries)
      if (entry.isOption)
        cases += zshOption(entry);
    cases += verb.name == std::string("completion") ? " \\\n      ':shell:(bash zsh fish)' ;;\n"
                                                    : " \\\n      '*:file:_files' ;;\n";
  }
  return "#compdef danaus\n# Made by: danaus completion zsh\n"
         "_danaus() {\n  local -a verbs=(\n" +
         verbs +
         "    'help:the help of a verb'\n  )\n"
         "  if (( CURRENT == 2 )); then\n    _describe verb verbs\n    return\n  fi\n"
         "  shift words\n  (( CURRENT-- ))\n  case $words[1] in\n" +
         cases + "  help) _describe verb verbs ;;\n  esac\n}\n_danaus \"$@\"\n";
}

std::string fishCompletion() {
  std::string text = "# Made by: danaus completion fish\n";
  for (const Verb &verb : allVerbs()) {
    text += "complete -c danaus -f -n __fish_use_subcommand -a " + std::string(verb.name) +
            " -d '" + quoted(verb.summary, false) + "'\n";
    for (const VerbPage::Entry &entry : CommandLine::describe(verb).entries) {
      if (!entry.isOption)
        continue;
      text += "complete -c danaus -n '__fish_seen_subcommand_from " + std::string(verb.name) + "'";
      for (const std::string &name : entry.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (std::string words = joined(entry.choices(), " "); !words.empty())
        text += " -x -a '" + words + "'";
      else if (!entry.value.empty())
        text += entry.value == "N" ? " -x" : " -r";
      text += " -d '" + quoted(entry.help, false) + "'\n";
    }
  }
  return text;
}

Status runCompletion(const Arguments &words) {
  std::string shell;
  CommandLine line(
      "completion",
      "Prints the script that completes danaus' verbs, options and values in a shell.\n"
      "An installed package brings those of bash and zsh.",
      {"source <(danaus completion bash)",
       "danaus completion fish > ~/.config/fish/completions/danaus.fish"});
  line.positional(shell, "SHELL", "bash, zsh or fish");
  auto outcome = line.parse(words);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (shell != "bash" && shell != "zsh" && shell != "fish")
    return Error(ExitCode::Usage,
                 "there is no completion for '" + shell + "': give bash, zsh or fish");
  std::string script = shell == "bash"  ? bashCompletion()
                       : shell == "zsh" ? zshCompletion()
                                        : fishCompletion();
  std::fputs(script.c_str(), stdout);
  return Status::ok();
}

} // namespace danaus::tool
