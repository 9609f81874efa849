// See Compile.h.
#include "tools/danaus/command/Compile.h"

#include "runtime/base/File.h"
#include "runtime/device/Device.h"
#include "runtime/nvrtc/Nvrtc.h"
#include "tools/danaus/command/Process.h"
#include "tools/danaus/command/Verb.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <unistd.h>

namespace danaus::tool {

static std::string environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

Expected<std::unique_ptr<TemporaryFolder>> TemporaryFolder::create() {
  std::string base = environment("TMPDIR");
  std::string path = joinPath(base.empty() ? "/tmp" : base, "danaus-XXXXXX");
  if (!::mkdtemp(path.data()))
    return ioError("create the folder", path, errno);
  return std::make_unique<TemporaryFolder>(path);
}

TemporaryFolder::~TemporaryFolder() { (void)removeTree(path); }

static Error noCompiler(const std::string &what, const std::string &hint) {
  return Error(ExitCode::IoError, what + " needs danausc, which is not at '" +
                                      programBeside("danausc") + "': " + hint);
}

Status checkCompiler(const std::string &why) {
  if (::access(programBeside("danausc").c_str(), X_OK) == 0)
    return Status::ok();
  return noCompiler(why, "install it there, or give a spec with numbers as ranks");
}

/// Where the binary is in the cache.
static Expected<std::string> keyOf(const CompileRequest &request) {
  constexpr uint64_t specLimit = 64 << 20;
  Expected<std::string> spec = readFile(request.spec, specLimit, ExitCode::SpecInvalid);
  if (!spec)
    return Error(ExitCode::SpecInvalid, spec.error().message());
  std::string compiler = programBeside("danausc");
  if (!pathExists(compiler))
    return noCompiler("compiling a spec", "build it, or give a compiled model (.dnb) instead");
  auto cpu = builtinDevices().create("cpu", {.threads = 1});
  if (!cpu)
    return cpu.takeError();
  bool isCuda = request.target.find("cuda") != std::string::npos;
  return cacheKey(request, *spec,
                  {{compiler, DANAUS_LIBLLVM, DANAUS_LIBMLIR},
                   cpu->get()->isas().front(),
                   isCuda ? nvrtcVersion() : ""});
}

/// Waits for the compiler; stdin, stdout and stderr are ours.
static Status runCompiler(const std::vector<std::string> &words) {
  auto code = runProcess(words, ChildOutput::Inherited);
  if (!code)
    return code.takeError();
  if (*code != 0)
    return alreadyReported(ExitCode(*code));
  return Status::ok();
}

static std::vector<std::string> wordsOf(const CompileRequest &request, const std::string &output) {
  std::vector<std::string> words = {programBeside("danausc"), request.spec};
  words.insert(words.end(), request.overrides.begin(), request.overrides.end());
  words.insert(words.end(), {"--target", request.target, "--ranks", std::to_string(request.ranks),
                             "-o", output});
  if (!request.chosenRanks.empty())
    words.insert(words.end(), {"--chosen-ranks", request.chosenRanks});
  return words;
}

/// Compiles under a name of this process' own, then renames: readers see whole files only. `run`
/// runs the compiler.
static Status compileInto(const CompileRequest &request, const std::string &output,
                          const std::function<Status(const std::vector<std::string> &)> &run) {
  std::string unfinished = output + format(".%d.tmp", int(::getpid()));
  Status status = run(wordsOf(request, unfinished));
  if (status && ::rename(unfinished.c_str(), output.c_str()) != 0)
    status = ioError("rename to", output, errno);
  if (!status)
    (void)removeTree(unfinished);
  return status;
}

/// The cache folder where it can be written, else a temporary one (`temporary` then owns it).
static Expected<std::string> outputFolder(std::unique_ptr<TemporaryFolder> &temporary) {
  std::string folder = cacheFolder();
  if (!folder.empty() && makeFolders(folder) && ::access(folder.c_str(), W_OK) == 0)
    return folder;
  auto created = TemporaryFolder::create();
  if (!created)
    return created.takeError();
  temporary = std::move(*created);
  return temporary->path;
}

Expected<CompiledModel> compileModel(const CompileRequest &request) {
  Expected<std::string> key = keyOf(request);
  if (!key)
    return key.takeError();
  if (auto cached = ModelCache(cacheFolder()).find(*key))
    return CompiledModel{std::move(cached->file), 0, nullptr};

  auto start = std::chrono::steady_clock::now();
  std::unique_ptr<TemporaryFolder> temporary;
  Expected<std::string> folder = outputFolder(temporary);
  if (!folder)
    return folder.takeError();
  std::string path = joinPath(*folder, *key + ".dnb");
  auto run = [](const std::vector<std::string> &words) { return runCompiler(words); };
  if (Status status = compileInto(request, path, run); !status)
    return status.takeError();
  std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  Expected<ModelFile> file = ModelFile::open(path);
  if (!file)
    return file.takeError();
  return CompiledModel{std::move(*file), took.count(), std::move(temporary)};
}

Status compileAgain(const Recompilation &what, const std::function<bool()> &stops) {
  auto run = [&](const std::vector<std::string> &words) {
    auto code = runProcess(words, ChildOutput::Discarded, stops);
    if (!code)
      return Status(code.takeError());
    if (*code != 0)
      return Status(Error(ExitCode(*code), format("danausc ended with code %d", *code)));
    return Status::ok();
  };
  return compileInto({what.spec, {}, what.targets, what.processes, what.ranks}, what.output, run);
}

Status writeOnnxWeights(const std::string &path, const std::string &output) {
  return runCompiler({programBeside("danausc"), path, "--emit=weights", "-o", output});
}

Expected<SafetensorsFile> openOnnxWeights(const std::string &path) {
  auto folder = TemporaryFolder::create();
  if (!folder)
    return folder.takeError();
  std::string file = joinPath((*folder)->path, "model.safetensors");
  if (Status status = writeOnnxWeights(path, file); !status)
    return status.takeError();
  return SafetensorsFile::open(file); // stays readable when its name is gone
}

Status writeOnnx(const OnnxRequest &request, const std::string &output) {
  std::vector<std::string> words = {programBeside("danausc"), request.spec};
  words.insert(words.end(), request.overrides.begin(), request.overrides.end());
  words.insert(words.end(), {"--emit=onnx", "--weights", request.weights, "-o", output});
  if (!request.chosenRanks.empty())
    words.insert(words.end(), {"--chosen-ranks", request.chosenRanks});
  if (request.phase)
    words.insert(words.end(), {"--phase", std::to_string(request.phase)});
  if (request.batch)
    words.insert(words.end(), {"--batch", std::to_string(request.batch)});
  return runCompiler(words);
}

} // namespace danaus::tool
