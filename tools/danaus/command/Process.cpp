// See Process.h.
#include "tools/danaus/command/Process.h"

#include "runtime/base/File.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace danaus::tool {

Expected<int> runProcess(const std::vector<std::string> &words, ChildOutput output,
                         const std::function<bool()> &stopRequested) {
  std::vector<char *> argv;
  for (const std::string &word : words)
    argv.push_back(const_cast<char *>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (output == ChildOutput::Discarded)
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int error = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error)
    return ioError("start", words[0], error);
  int state = 0;
  constexpr unsigned pause = 20'000; // microseconds
  for (bool told = false;;) {
    pid_t ended = ::waitpid(child, &state, stopRequested ? WNOHANG : 0);
    if (ended == child)
      break;
    if (ended < 0 && errno != EINTR)
      return ioError("wait for", words[0], errno);
    if (!stopRequested)
      continue;
    if (!told && stopRequested()) {
      ::kill(child, SIGTERM);
      told = true;
    }
    ::usleep(pause);
  }
  if (WIFSIGNALED(state))
    return Error(ExitCode::Internal,
                 format("%s was ended by signal %d", words[0].c_str(), WTERMSIG(state)));
  return WEXITSTATUS(state);
}

std::string programBeside(const std::string &name) {
  char self[4096];
  ssize_t length = ::readlink("/proc/self/exe", self, sizeof(self) - 1);
  std::string path(self, length > 0 ? size_t(length) : 0);
  return joinPath(parentFolder(path), name);
}

} // namespace danaus::tool
