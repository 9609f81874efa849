// See FileCache.h.
#include "runtime/base/FileCache.h"

#include "runtime/base/AtomicFile.h"

#include <algorithm>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace danaus {

static std::string environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

std::string cacheFolder() {
  if (std::string folder = environment("DANAUS_CACHE"); !folder.empty())
    return folder;
  if (std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return joinPath(cache, "danaus");
  std::string home = environment("HOME");
  return home.empty() ? "" : joinPath(home, ".cache/danaus");
}

std::string FileCache::pathOf(const std::string &key, std::string_view more) const {
  return folder.empty() ? "" : joinPath(folder, key + ending + std::string(more));
}

std::optional<std::string> FileCache::find(const std::string &key, std::string_view more) const {
  constexpr uint64_t mostBytes = uint64_t(1) << 32;
  std::string path = pathOf(key, more);
  if (path.empty() || !pathExists(path))
    return std::nullopt;
  Expected<std::string> bytes = readFile(path, mostBytes);
  if (!bytes)
    return std::nullopt;
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  return std::move(*bytes);
}

void FileCache::markUsed(const std::string &key) const {
  if (!folder.empty())
    ::utimensat(AT_FDCWD, pathOf(key).c_str(), nullptr, 0);
}

bool FileCache::keep(const std::string &key, std::string_view bytes, std::string_view more) const {
  if (folder.empty() || !makeFolders(folder))
    return false;
  Expected<AtomicFile> file = AtomicFile::create(pathOf(key, more));
  return file && file->write(bytes) && file->commit(Durability::Unsynced);
}

namespace {
struct KeptFile {
  std::string path;
  uint64_t bytes;
  timespec used;

  bool operator<(const KeptFile &other) const {
    if (used.tv_sec != other.used.tv_sec)
      return used.tv_sec < other.used.tv_sec;
    return used.tv_nsec < other.used.tv_nsec;
  }
};

/// A name that begins with a key and the ending: also the second files, and what a killed process
/// left unfinished.
bool isKept(std::string_view name, std::string_view ending) {
  constexpr size_t keyDigits = 32;
  return name.size() > keyDigits && name.substr(keyDigits).starts_with(ending) &&
         name.substr(0, keyDigits).find_first_not_of("0123456789abcdef") == name.npos;
}

std::vector<KeptFile> filesOf(const std::string &folder, std::string_view ending) {
  std::vector<KeptFile> files;
  std::unique_ptr<DIR, int (*)(DIR *)> stream(::opendir(folder.c_str()), ::closedir);
  while (const dirent *entry = stream ? ::readdir(stream.get()) : nullptr) {
    struct stat info = {};
    std::string path = joinPath(folder, entry->d_name);
    if (isKept(entry->d_name, ending) && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode))
      files.push_back({path, uint64_t(info.st_size), info.st_mtim});
  }
  return files;
}
} // namespace

void FileCache::trim() const {
  if (folder.empty())
    return;
  std::vector<KeptFile> files = filesOf(folder, ending);
  uint64_t bytes = 0;
  for (const KeptFile &file : files)
    bytes += file.bytes;
  if (bytes <= limit)
    return;
  std::sort(files.begin(), files.end());
  for (const KeptFile &file : files) {
    if (bytes <= limit / 4 * 3)
      return;
    ::unlink(file.path.c_str()); // whoever reads it still has it
    bytes -= file.bytes;
  }
}

} // namespace danaus
