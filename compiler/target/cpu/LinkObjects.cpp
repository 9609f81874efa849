// Object files to one shared object, by the linker of LLVM, in a temporary folder.
#include "compiler/target/cpu/ObjectCode.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace danaus;

namespace {

/// A folder that goes with all in it.
class WorkFolder {
public:
  std::error_code create() { return llvm::sys::fs::createUniqueDirectory("danaus", path); }
  ~WorkFolder() {
    if (!path.empty())
      (void)llvm::sys::fs::remove_directories(path);
  }
  std::string file(const llvm::Twine &name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

private:
  llvm::SmallString<128> path;
};

Status writeFile(const std::string &path, llvm::StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (!code) {
    stream << bytes;
    stream.flush();
    code = stream.error();
    stream.clear_error(); // else its destructor aborts
  }
  return code ? Status(Error(ExitCode::IoError, "cannot write " + path + ": " + code.message()))
              : Status::ok();
}

Expected<std::string> linkerPath() {
  auto linker = llvm::sys::findProgramByName("ld.lld-22", {"/usr/lib/llvm-22/bin", "/usr/bin"});
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker)
    return Error(ExitCode::Internal, "ld.lld is missing; install the package lld-22");
  return *linker;
}

/// What the linker wrote to both of its outputs is the reason when it fails.
Status runLinker(const std::string &linker, llvm::ArrayRef<std::string> objects,
                 const std::string &output, const std::string &messages) {
  // One thread: starting more costs the linker longer than so little work.
  std::vector<llvm::StringRef> words{"ld.lld", "-shared", "--build-id=none", "--threads=1", "-s",
                                     "-o",     output};
  words.insert(words.end(), objects.begin(), objects.end());
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, messages, messages};
  if (llvm::sys::ExecuteAndWait(linker, words, std::nullopt, redirects) == 0)
    return Status::ok();
  auto text = llvm::MemoryBuffer::getFile(messages);
  return Error(ExitCode::Internal,
               "the linker " + linker + " failed: " + (text ? (*text)->getBuffer().str() : ""));
}

} // namespace

Expected<std::string> danaus::cpu::linkSharedObject(llvm::ArrayRef<std::string> objects) {
  Expected<std::string> linker = linkerPath();
  if (!linker)
    return linker.takeError();
  WorkFolder folder;
  if (std::error_code code = folder.create())
    return Error(ExitCode::IoError, "cannot make a temporary folder: " + code.message());
  std::vector<std::string> inputs;
  for (auto [i, object] : llvm::enumerate(objects)) {
    inputs.push_back(folder.file(llvm::Twine(i) + ".o"));
    if (Status status = writeFile(inputs.back(), object); !status)
      return status.takeError();
  }
  std::string output = folder.file("kernels.so");
  if (Status status = runLinker(*linker, inputs, output, folder.file("messages.txt")); !status)
    return status.takeError();
  auto shared = llvm::MemoryBuffer::getFile(output);
  if (!shared)
    return Error(ExitCode::IoError,
                 "cannot read the linker's output: " + shared.getError().message());
  return (*shared)->getBuffer().str();
}
