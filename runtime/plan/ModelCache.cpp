// See ModelCache.h.
#include "runtime/plan/ModelCache.h"

#include "runtime/base/File.h"
#include "runtime/base/Hash.h"

#include <sys/stat.h>

namespace danaus {

/// Adds the size and time of every .onnx file that the text names: what is compiled from it depends
/// on them.
static void addOnnxFiles(std::string_view text, const std::string &folder, Hash &hash) {
  constexpr std::string_view ending = ".onnx", around = "\"'{}[],=:\n";
  for (size_t at = 0; (at = text.find(ending, at)) != text.npos;) {
    size_t before = text.find_last_of(around, at);
    size_t begin = text.find_first_not_of(' ', before == text.npos ? 0 : before + 1);
    at += ending.size();
    std::string path(text.substr(begin, at - begin));
    // PyTorch's exporter puts the weights in a second file.
    for (const std::string &name : {path, path + ".data"}) {
      struct stat info = {};
      if (::stat((path.starts_with("/") ? name : joinPath(folder, name)).c_str(), &info) == 0)
        hash.add(format("%s %lld %lld.%09ld", name.c_str(), (long long)info.st_size,
                        (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
    }
  }
}

std::string compilerKey(const std::vector<std::string> &files) {
  Hash hash;
  for (const std::string &file : files) {
    struct stat info = {};
    if (::stat(file.c_str(), &info) != 0)
      info = {};
    hash.add(format("%lld %lld.%09ld %llu %llu", (long long)info.st_size,
                    (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                    (unsigned long long)info.st_dev, (unsigned long long)info.st_ino));
  }
  return hash.hex();
}

Expected<std::string> cacheKey(const CompileRequest &request, std::string_view text,
                               const CompilerPlace &place) {
  constexpr uint64_t rankLimit = 64 << 20;
  Hash hash;
  hash.add(text);
  hash.add(request.spec);
  addOnnxFiles(text, parentFolder(request.spec), hash);
  for (const std::string &entry : request.overrides) {
    hash.add(entry);
    addOnnxFiles(entry, ".", hash);
  }
  hash.add(request.target);
  hash.add(std::to_string(request.ranks));
  if (!request.chosenRanks.empty()) {
    Expected<std::string> chosen =
        readFile(request.chosenRanks, rankLimit, ExitCode::CheckpointInvalid);
    if (!chosen)
      return chosen.takeError();
    hash.add(*chosen);
  }
  hash.add(compilerKey(place.files));
  hash.add(place.isa);
  hash.add(place.nvrtc);
  return hash.hex();
}

std::optional<CachedModel> ModelCache::find(const std::string &key) const {
  std::string path = pathOf(key);
  if (path.empty() || !pathExists(path))
    return std::nullopt;
  Expected<ModelFile> file = ModelFile::open(path);
  if (!file)
    return std::nullopt;
  files.markUsed(key);
  return CachedModel{std::move(*file), files.find(key, ".warnings").value_or("")};
}

void ModelCache::keep(const std::string &key, std::span<const std::byte> bytes,
                      const std::string &warnings) const {
  // First what goes with the model: who finds that finds both.
  if (!warnings.empty() && !files.keep(key, warnings, ".warnings"))
    return;
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  if (files.keep(key, text))
    files.trim();
}

} // namespace danaus
