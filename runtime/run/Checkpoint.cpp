// Saving: write `slot`.new, sync it, exchange it with `slot`, remove what is now the older one. At
// any moment one of `slot`, `slot`.new, `slot`.old is complete, and load() finds it. Whether a
// folder is complete is decided by the checksums in its manifest alone.
#include "runtime/run/Checkpoint.h"

#include "runtime/base/File.h"
#include "runtime/run/Manifest.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <unistd.h>

namespace danaus {

namespace {

using ull = unsigned long long;

/// Writes a new file through a sink, syncs it and says what went into it.
Expected<FileChecksum> writeSynced(
    const std::string &path,
    const std::function<Status(const std::function<Status(std::string_view)> &)> &producer) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file.valid())
    return ioError("create", path, errno);
  FileChecksum sum;
  Status status = producer([&](std::string_view bytes) {
    sum.bytes += bytes.size();
    sum.crc32 = crc32(bytes.data(), bytes.size(), sum.crc32);
    return writeAll(file.get(), bytes, path);
  });
  if (!status)
    return status.takeError();
  if (::fsync(file.get()) != 0)
    return ioError("write", path, errno);
  return sum;
}

Expected<FileChecksum> writeTensors(const std::string &path, std::span<const TensorRef> tensors) {
  return writeSynced(path, [&](const auto &sink) {
    return writeSafetensors(sink, path, tensors, {{"format", "pt"}});
  });
}

Status writeFolder(const std::string &folder, const CheckpointContent &content) {
  if (Status status = removeTree(folder); !status)
    return status;
  if (Status status = makeFolders(folder); !status)
    return status;
  ManifestFile file{content.manifest, {}, {}};
  Expected<FileChecksum> model = writeTensors(joinPath(folder, modelFileName), content.model);
  if (!model)
    return model.takeError();
  Expected<FileChecksum> state = writeTensors(joinPath(folder, stateFileName), content.state);
  if (!state)
    return state.takeError();
  file.model = *model;
  file.state = *state;
  Expected<std::string> text = manifestText(file);
  if (!text)
    return text.takeError();
  Expected<FileChecksum> written =
      writeSynced(joinPath(folder, manifestName), [&](const auto &sink) { return sink(*text); });
  return written ? syncFolder(folder) : Status(written.takeError());
}

Status renamePath(const std::string &from, const std::string &to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? Status::ok() : ioError("rename to", to, errno);
}

Status verifyFile(const std::string &path, const FileChecksum &expected) {
  Expected<FileChecksum> found = checksumFile(path);
  if (!found)
    return Error(ExitCode::CheckpointInvalid, found.error().message());
  if (found->bytes != expected.bytes)
    return Error(ExitCode::CheckpointInvalid,
                 format("'%s' has %llu bytes, its manifest says %llu", path.c_str(),
                        ull(found->bytes), ull(expected.bytes)));
  if (found->crc32 != expected.crc32)
    return Error(ExitCode::CheckpointInvalid,
                 format("'%s' was altered: its checksum is %08x, its manifest says %08x",
                        path.c_str(), found->crc32, expected.crc32));
  return Status::ok();
}

constexpr std::string_view olderPrefix = "step-";

/// The number of an older checkpoint's folder name.
std::optional<uint64_t> olderStep(const std::string &name) {
  uint64_t step = 0;
  if (!name.starts_with(olderPrefix))
    return std::nullopt;
  const char *end = name.data() + name.size();
  auto [stop, code] = std::from_chars(name.data() + olderPrefix.size(), end, step);
  return stop == end && code == std::errc() ? std::optional(step) : std::nullopt;
}

/// Removes all but the newest `count` of the numbered checkpoints.
Status pruneOlder(const std::string &folder, uint64_t count) {
  std::vector<uint64_t> steps;
  std::error_code failure;
  for (const auto &entry : std::filesystem::directory_iterator(folder, failure))
    if (std::optional<uint64_t> step = olderStep(entry.path().filename().string()))
      steps.push_back(*step);
  std::sort(steps.rbegin(), steps.rend());
  for (size_t index = size_t(count); index < steps.size(); ++index)
    if (Status status =
            removeTree(joinPath(folder, std::string(olderPrefix) + std::to_string(steps[index])));
        !status)
      return status;
  return Status::ok();
}

} // namespace

Expected<LoadedCheckpoint> loadCheckpointFolder(const std::string &folder) {
  std::string manifestPath = joinPath(folder, manifestName);
  Expected<std::string> text = readFile(manifestPath, 1 << 20, ExitCode::CheckpointInvalid);
  if (!text)
    return Error(ExitCode::CheckpointInvalid, text.error().message());
  Expected<ManifestFile> manifest = parseManifest(*text, manifestPath);
  if (!manifest)
    return manifest.takeError();
  std::string modelPath = joinPath(folder, modelFileName);
  std::string statePath = joinPath(folder, stateFileName);
  if (Status status = verifyFile(modelPath, manifest->model); !status)
    return status.takeError();
  if (Status status = verifyFile(statePath, manifest->state); !status)
    return status.takeError();
  Expected<SafetensorsFile> model = SafetensorsFile::open(modelPath);
  if (!model)
    return model.takeError();
  Expected<SafetensorsFile> state = SafetensorsFile::open(statePath);
  if (!state)
    return state.takeError();
  return LoadedCheckpoint{manifest->manifest, std::move(*model), std::move(*state), {}};
}

Status CheckpointStore::save(const std::string &slot, const CheckpointContent &content) const {
  Status status = makeFolders(folder);
  if (status)
    status = writeFolder(joinPath(folder, slot + ".new"), content);
  if (!status) {
    // What was written is incomplete; the error matters more than whether it could be removed.
    (void)removeTree(joinPath(folder, slot + ".new"));
    return status.takeError().during("saving checkpoint " + joinPath(folder, slot));
  }
  return putInPlace(slot);
}

Status CheckpointStore::putInPlace(const std::string &slot) const {
  std::string place = joinPath(folder, slot), fresh = place + ".new", older = place + ".old";
  bool replaces = pathExists(place);
  if (replaces && swap == FolderSwap::Exchange &&
      ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
    if (Status status = syncFolder(folder); !status)
      return status;
    if (Status status = retire(slot, fresh); !status)
      return status;
    return removeTree(older);
  }
  if (replaces) {
    if (Status status = removeTree(older); !status)
      return status;
    if (Status status = renamePath(place, older); !status)
      return status;
  }
  if (Status status = renamePath(fresh, place); !status)
    return status;
  if (Status status = syncFolder(folder); !status)
    return status;
  return retire(slot, older);
}

/// The replaced checkpoint: gone, or kept under its number.
Status CheckpointStore::retire(const std::string &slot, const std::string &older) const {
  if (keep <= 1 || slot != "last")
    return removeTree(older);
  Expected<LoadedCheckpoint> loaded = loadCheckpointFolder(older);
  if (!loaded)
    return removeTree(older);
  std::string name =
      joinPath(folder, std::string(olderPrefix) + std::to_string(loaded->manifest.step));
  if (Status status = removeTree(name); !status)
    return status;
  if (Status status = renamePath(older, name); !status)
    return status;
  return pruneOlder(folder, keep - 1);
}

bool CheckpointStore::exists(const std::string &slot) const {
  for (const char *suffix : {"", ".new", ".old"})
    if (pathExists(joinPath(folder, slot + suffix)))
      return true;
  return false;
}

Expected<LoadedCheckpoint> CheckpointStore::load(const std::string &slot) const {
  std::string place = joinPath(folder, slot);
  Expected<LoadedCheckpoint> best = loadCheckpointFolder(place);
  if (best)
    return best;
  std::string reason = best.error().message(), chosen;
  for (const char *suffix : {".new", ".old"}) {
    Expected<LoadedCheckpoint> other = loadCheckpointFolder(place + suffix);
    if (!other || (best && other->manifest.step <= best->manifest.step))
      continue;
    best = std::move(other);
    chosen = place + suffix;
  }
  if (best)
    best->note = "the checkpoint '" + place + "' is not complete (" + reason + "); '" + chosen +
                 "' of step " + std::to_string(best->manifest.step) + " is used instead";
  else if (!exists(slot))
    return Error(ExitCode::CheckpointInvalid, "there is no checkpoint '" + place + "'");
  return best;
}

} // namespace danaus
