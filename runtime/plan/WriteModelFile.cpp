// Writes a model file: lays out the sections, then puts the file in place with one rename, so that
// a reader never sees half of it and a failure leaves what was there. Layout: ModelFile.h.
#include "runtime/plan/Container.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace danaus {

namespace container {

uint32_t checksum(std::span<const std::byte> bytes, uint32_t previous) {
  return uint32_t(crc32_z(previous, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
}

uint32_t tableChecksum(Header header, std::span<const Row> rows) {
  header.checksum = 0;
  return checksum(std::as_bytes(rows), checksum(std::as_bytes(std::span(&header, 1))));
}

} // namespace container

namespace {

/// A file descriptor that is closed, and a temporary file that is removed, on every way out.
struct OutputFile {
  int descriptor = -1;
  std::string temporary; ///< empty: written in place, or already renamed

  ~OutputFile() {
    if (descriptor >= 0)
      ::close(descriptor);
    if (!temporary.empty())
      ::unlink(temporary.c_str());
  }
};

Error systemError(const std::string &path, const char *what) {
  int number = errno;
  return Error(ExitCode::IoError,
               format("cannot write %s: %s: %s", path.c_str(), what, std::strerror(number)));
}

Status openOutput(const std::string &path, OutputFile &file) {
  struct stat info;
  bool exists = ::stat(path.c_str(), &info) == 0;
  // A device or a pipe cannot be replaced by a rename, and must not be.
  if (exists && !S_ISREG(info.st_mode)) {
    file.descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    return file.descriptor < 0 ? Status(systemError(path, "open")) : Status::ok();
  }
  for (int attempt = 0; file.descriptor < 0; ++attempt) {
    std::string name = format("%s.tmp.%d.%d", path.c_str(), int(::getpid()), attempt);
    file.descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file.descriptor >= 0)
      file.temporary = name;
    else if (errno != EEXIST || attempt == 100)
      return systemError(path, "create a file beside it");
  }
  return Status::ok();
}

Status writeAll(const std::string &path, int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return systemError(path, "write");
    bytes = bytes.subspan(size_t(written));
  }
  return Status::ok();
}

/// Makes the rename itself survive a power cut. Some file systems cannot; that is no error.
void syncFolder(const std::string &path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return;
  ::fsync(descriptor);
  ::close(descriptor);
}

Status putInPlace(const std::string &path, OutputFile &file) {
  if (::fsync(file.descriptor) != 0 && errno != EINVAL)
    return systemError(path, "fsync");
  int descriptor = std::exchange(file.descriptor, -1);
  if (::close(descriptor) != 0)
    return systemError(path, "close");
  if (file.temporary.empty())
    return Status::ok();
  if (::rename(file.temporary.c_str(), path.c_str()) != 0)
    return systemError(path, "rename");
  file.temporary.clear();
  syncFolder(path);
  return Status::ok();
}

Status checkSections(std::span<const Section> sections) {
  size_t tables = 0;
  for (size_t i = 0; i < sections.size(); ++i) {
    tables += sections[i].kind == SectionKind::ModelTable;
    if (i > 0 && sections[i].id == sections[i - 1].id)
      return Error(ExitCode::Internal, format("two sections have the id %u", sections[i].id));
  }
  if (tables != 1)
    return Error(ExitCode::Internal, format("a model file needs one model table, not %zu", tables));
  if (sections.size() > MaxSections)
    return Error(ExitCode::Internal, format("%zu sections, at most %u fit in a model file",
                                            sections.size(), MaxSections));
  return Status::ok();
}

std::vector<std::byte> layOut(std::span<const Section> sections) {
  std::vector<container::Row> rows;
  uint64_t end = sizeof(container::Header) + sections.size() * sizeof(container::Row);
  for (const Section &section : sections) {
    uint64_t offset = container::alignUp(end);
    rows.push_back({section.id, uint32_t(section.kind), offset, section.bytes.size(),
                    container::checksum(section.bytes), 0});
    end = offset + section.bytes.size();
  }
  container::Header header{container::Magic, FormatVersion, uint32_t(rows.size()), end, 0, 0};
  header.checksum = container::tableChecksum(header, rows);

  std::vector<std::byte> file(end);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), rows.data(), rows.size() * sizeof(container::Row));
  for (size_t i = 0; i < rows.size(); ++i)
    std::ranges::copy(sections[i].bytes, file.begin() + ptrdiff_t(rows[i].offset));
  return file;
}

} // namespace

Expected<std::vector<std::byte>> modelFileBytes(std::span<const Section> sections) {
  std::vector<Section> sorted(sections.begin(), sections.end());
  std::ranges::sort(sorted, {}, &Section::id);
  if (Status status = checkSections(sorted); !status)
    return status.takeError();
  return layOut(sorted);
}

Status writeModelBytes(const std::string &path, std::span<const std::byte> bytes) {
  OutputFile file;
  if (Status status = openOutput(path, file); !status)
    return status;
  if (Status status = writeAll(path, file.descriptor, bytes); !status)
    return status;
  return putInPlace(path, file);
}

Status writeModelFile(const std::string &path, std::span<const Section> sections) {
  Expected<std::vector<std::byte>> bytes = modelFileBytes(sections);
  if (!bytes)
    return bytes.takeError().during("writing " + path);
  return writeModelBytes(path, *bytes);
}

} // namespace danaus
