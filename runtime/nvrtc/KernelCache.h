// Compiled CUDA kernels on disk, so that a kernel is compiled once on a machine. One file a kernel,
// under a name made of everything that the result depends on; any number of processes may share the
// folder: files appear whole or not at all, and one that is not whole is compiled again.
#pragma once

#include "runtime/nvrtc/Nvrtc.h"

#include <optional>

namespace danaus {

class KernelCache {
public:
  /// In this folder, which is made when the first kernel is kept; "" keeps nothing.
  explicit KernelCache(std::string folder) : folder(std::move(folder)) {}

  /// cacheFolder()/kernels; empty when no variable says where.
  static std::string defaultFolder();

  /// What `text` compiles to with these options and this NVRTC, if it is there and whole.
  std::optional<CudaBinary> find(const std::string &key) const;
  /// Keeps it; that it cannot be kept (a full disk, no permission) is no error.
  void keep(const std::string &key, const CudaBinary &binary) const;

  /// 32 hexadecimal digits.
  static std::string key(const std::string &text, const std::string &arch, const NvrtcInfo &nvrtc);

private:
  std::string pathOf(const std::string &key) const;
  std::string folder;
};

} // namespace danaus
