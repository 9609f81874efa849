// See KernelCache.h. A file: magic, crc32 of the rest, then registers, spill and shared bytes, the
// lengths of arch, ptx and cubin, and those three.
#include "runtime/nvrtc/KernelCache.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Checksum.h"
#include "runtime/base/File.h"
#include "runtime/base/FileCache.h"
#include "runtime/base/Hash.h"

#include <cstring>

namespace danaus {

namespace {
constexpr char Magic[8] = {'D', 'N', 'K', '1', '\r', '\n', 0x1A, '\n'};
constexpr uint64_t FileLimit = 256 << 20;

struct Header {
  char magic[8];
  uint32_t checksum; ///< of everything behind it
  uint32_t registers, spillBytes, sharedBytes;
  uint64_t archBytes, ptxBytes, cubinBytes;
};
static_assert(sizeof(Header) == 48);

uint32_t checksumOf(std::string_view file) {
  constexpr size_t skipped = offsetof(Header, registers);
  return crc32(file.data() + skipped, file.size() - skipped);
}
} // namespace

std::string KernelCache::defaultFolder() {
  std::string folder = cacheFolder();
  return folder.empty() ? "" : joinPath(folder, "kernels");
}

std::string KernelCache::key(const std::string &text, const std::string &arch,
                             const NvrtcInfo &nvrtc) {
  Hash hash;
  hash.add("kernel 1"); // the format of a file and the options of Nvrtc::optionsFor
  hash.add(text);
  hash.add(arch);
  hash.add(format("%d.%d", nvrtc.major, nvrtc.minor));
  return hash.hex();
}

std::string KernelCache::pathOf(const std::string &key) const {
  return joinPath(folder, key + ".dnk");
}

std::optional<CudaBinary> KernelCache::find(const std::string &key) const {
  if (folder.empty() || !pathExists(pathOf(key)))
    return std::nullopt;
  auto file = readFile(pathOf(key), FileLimit);
  Header header;
  if (!file || file->size() < sizeof(header))
    return std::nullopt;
  std::memcpy(&header, file->data(), sizeof(header));
  uint64_t left = file->size() - sizeof(header);
  bool isWhole = std::memcmp(header.magic, Magic, sizeof(Magic)) == 0 &&
                 header.checksum == checksumOf(*file) && header.archBytes <= left &&
                 header.ptxBytes <= left && header.cubinBytes <= left &&
                 header.archBytes + header.ptxBytes + header.cubinBytes == left;
  if (!isWhole)
    return std::nullopt;
  CudaBinary binary;
  binary.registers = header.registers;
  binary.spillBytes = header.spillBytes;
  binary.sharedBytes = header.sharedBytes;
  const char *at = file->data() + sizeof(header);
  binary.arch.assign(at, header.archBytes);
  binary.ptx.assign(at + header.archBytes, header.ptxBytes);
  const auto *cubin = reinterpret_cast<const std::byte *>(at + header.archBytes + header.ptxBytes);
  binary.cubin.assign(cubin, cubin + header.cubinBytes);
  return binary;
}

void KernelCache::keep(const std::string &key, const CudaBinary &binary) const {
  if (folder.empty() || !makeFolders(folder))
    return;
  Header header = {{},
                   0,
                   binary.registers,
                   binary.spillBytes,
                   binary.sharedBytes,
                   binary.arch.size(),
                   binary.ptx.size(),
                   binary.cubin.size()};
  std::memcpy(header.magic, Magic, sizeof(Magic));
  std::string file(reinterpret_cast<const char *>(&header), sizeof(header));
  file += binary.arch + binary.ptx;
  file.append(reinterpret_cast<const char *>(binary.cubin.data()), binary.cubin.size());
  uint32_t checksum = checksumOf(file);
  std::memcpy(file.data() + offsetof(Header, checksum), &checksum, sizeof(checksum));
  (void)bool(writeFileAtomically(pathOf(key), file));
}

} // namespace danaus
