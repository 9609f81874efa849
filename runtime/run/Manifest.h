// manifest.json of a checkpoint: CheckpointManifest, and size and checksum of the two tensor files.
// The text is canonical and carries a checksum of itself, so that any altered byte is noticed.
#pragma once

#include "runtime/base/Checksum.h"
#include "runtime/run/Checkpoint.h"

namespace danaus {

inline constexpr const char *manifestName = "manifest.json";
inline constexpr const char *modelFileName = "model.safetensors";
inline constexpr const char *stateFileName = "state.safetensors";

struct ManifestFile {
  CheckpointManifest manifest;
  FileChecksum model, state;
};

/// Fails for numbers that JSON cannot hold (NaN, infinity).
Expected<std::string> manifestText(const ManifestFile &file);
/// `path` is for messages.
Expected<ManifestFile> parseManifest(const std::string &text, const std::string &path);

} // namespace danaus
