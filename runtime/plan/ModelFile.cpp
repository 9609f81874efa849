// Reads and checks the container of a model file, from the outside in: size and magic, header and
// table against their checksum, each section against its place and checksum, the model table
// against the schema (FlatBuffers' verifier) and against Validate.h. Every byte of the file is
// covered by one of these checks.
#include "runtime/plan/ModelFile.h"

#include "runtime/plan/Alignment.h"
#include "runtime/plan/Container.h"
#include "runtime/plan/Validate.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace danaus {

namespace {

// The schema nests seven tables deep; a model with 100,000 launches has a tenth of this many.
constexpr uint32_t MaxTableDepth = 16;
constexpr uint32_t MaxTables = 2'000'000;

const char *const WhatToDo = "compile it again with danausc";

/// 21312 -> "21,312"
std::string grouped(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t i = digits.size(); i > 3; i -= 3)
    digits.insert(i - 3, ",");
  return digits;
}

struct Descriptor {
  int number;
  ~Descriptor() { ::close(number); }
};

/// Null for a kind that there is not.
const char *kindName(SectionKind kind) {
  switch (kind) {
  case SectionKind::ModelTable:
    return "model table";
  case SectionKind::CpuSharedObject:
    return "cpu shared object";
  case SectionKind::CudaCode:
    return "cuda code";
  case SectionKind::Fusion:
    return "fusion";
  }
  return nullptr;
}

bool isZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte(0); });
}

} // namespace

void ModelFile::FreeAligned::operator()(std::byte *bytes) const { std::free(bytes); }

Error ModelFile::broken(const std::string &what) const {
  return Error(ExitCode::CheckpointInvalid, name + ": " + what + "; " + WhatToDo);
}

Expected<ModelFile> ModelFile::open(const std::string &path) {
  ModelFile file;
  file.name = path;
  if (Status status = file.readFile(); !status)
    return status.takeError();
  if (Status status = file.check(); !status)
    return status.takeError();
  return file;
}

Expected<ModelFile> ModelFile::fromBytes(std::span<const std::byte> bytes, std::string name) {
  ModelFile file;
  file.name = std::move(name);
  file.size = bytes.size();
  if (Status status = file.allocate(); !status)
    return status.takeError();
  std::ranges::copy(bytes, file.content.get());
  if (Status status = file.check(); !status)
    return status.takeError();
  return file;
}

Status ModelFile::check() {
  if (Status status = readTable(); !status)
    return status;
  if (Status status = checkSections(); !status)
    return status;
  return checkModel();
}

/// Room for `size` bytes.
Status ModelFile::allocate() {
  content.reset(
      static_cast<std::byte *>(std::aligned_alloc(SectionAlignment, container::alignUp(size + 1))));
  if (!content)
    return Error(ExitCode::IoError, name + ": no memory for its " + grouped(size) + " bytes");
  return Status::ok();
}

std::span<const std::byte> ModelFile::section(uint32_t id) const {
  auto row = std::ranges::find(rows, id, &Row::id);
  if (row == rows.end())
    return {};
  return {content.get() + row->offset, size_t(row->bytes)};
}

Status ModelFile::readFile() {
  int number = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0)
    return Error(ExitCode::CheckpointInvalid, "cannot open the model file " + name + ": " +
                                                  std::strerror(errno) + "; danausc SPEC.yaml -o " +
                                                  name + " makes one");
  Descriptor descriptor{number};
  struct stat info;
  if (::fstat(number, &info) != 0)
    return Error(ExitCode::IoError, "cannot read " + name + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return broken("not a regular file, so not a model file");
  size = uint64_t(info.st_size);
  if (Status status = allocate(); !status)
    return status;
  for (uint64_t done = 0; done < size;) {
    ssize_t count = ::read(number, content.get() + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return Error(ExitCode::IoError, "cannot read " + name + ": " + std::strerror(errno));
    if (count == 0)
      return broken("it shrank while it was read");
    done += uint64_t(count);
  }
  return Status::ok();
}

Status ModelFile::readTable() {
  container::Header header{};
  std::memcpy(&header, content.get(), std::min<uint64_t>(size, sizeof(header)));
  if (size == 0)
    return broken("the file is empty");
  if (std::memcmp(header.magic.data() + 1, "DNB", 3) == 0 && header.magic != container::Magic)
    return broken("damaged, as if it had been copied as text");
  if (header.magic != container::Magic)
    return broken("not a model file (wrong magic)");
  if (size < sizeof(header))
    return broken("truncated: the header takes 32 bytes, the file has " + grouped(size));
  if (header.version != FormatVersion)
    return broken(
        format("format version %u, this program reads %u", header.version, FormatVersion));
  if (header.fileBytes != size)
    return broken((size < header.fileBytes ? "truncated: header says " : "too long: header says ") +
                  grouped(header.fileBytes) + " bytes, file has " + grouped(size));
  if (header.sections == 0 || header.sections > MaxSections)
    return broken(
        format("header says %u sections, 1 to %u are possible", header.sections, MaxSections));
  uint64_t tableBytes = header.sections * sizeof(container::Row);
  if (size - sizeof(header) < tableBytes)
    return broken(format("%u sections do not fit in the file", header.sections));

  std::vector<container::Row> table(header.sections);
  std::memcpy(table.data(), content.get() + sizeof(header), tableBytes);
  if (container::tableChecksum(header, table) != header.checksum)
    return broken("header and section table do not match their checksum");
  if (header.zero != 0)
    return broken("a reserved field of the header is not zero");
  for (const container::Row &row : table)
    rows.push_back({row.id, SectionKind(row.kind), row.offset, row.bytes, row.checksum});
  if (std::ranges::any_of(table, [](const container::Row &row) { return row.zero != 0; }))
    return broken("a reserved field of the section table is not zero");
  return Status::ok();
}

Status ModelFile::checkSections() const {
  uint64_t end = sizeof(container::Header) + rows.size() * sizeof(container::Row);
  size_t tables = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row &row = rows[i];
    std::string where = format("section %u ", row.id);
    if (!kindName(row.kind))
      return broken(where + format("has the unknown kind %u", uint32_t(row.kind)));
    if (i > 0 && row.id <= rows[i - 1].id)
      return broken(where + format("follows section %u: ids must ascend", rows[i - 1].id));
    uint64_t offset = container::alignUp(end);
    if (row.offset != offset)
      return broken(where + "lies at byte " + grouped(row.offset) + " instead of " +
                    grouped(offset) + ": it overlaps another section or leaves a hole");
    if (offset > size || row.bytes > size - offset)
      return broken(where + "(" + grouped(row.bytes) + " bytes) runs past the end of the file");
    if (!isZero({content.get() + end, size_t(offset - end)}))
      return broken("the padding before section " + std::to_string(row.id) + " is not zero");
    if (container::checksum({content.get() + offset, size_t(row.bytes)}) != row.checksum)
      return broken(where + "(" + kindName(row.kind) + ") does not match its checksum");
    end = offset + row.bytes;
    tables += row.kind == SectionKind::ModelTable;
  }
  if (end != size)
    return broken(grouped(size - end) + " bytes follow the last section");
  if (tables != 1)
    return broken(format("it has %zu model tables instead of one", tables));
  return Status::ok();
}

Status ModelFile::checkModel() {
  auto row = std::ranges::find(rows, SectionKind::ModelTable, &Row::kind);
  const auto *table = reinterpret_cast<const uint8_t *>(content.get() + row->offset);
  // The verifier asserts this bound instead of checking it; and it reads a file identifier
  // without asking whether there is room for one.
  if (row->bytes < 16 || row->bytes >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return broken("a model table cannot have " + grouped(row->bytes) + " bytes");
  flatbuffers::Verifier verifier(table, size_t(row->bytes), MaxTableDepth, MaxTables);
  if (!fb::VerifyModelBuffer(verifier))
    return broken("the model table is not well formed");
  root = fb::GetModel(table);
  if (!vectorsAreAligned(*root))
    return broken("the model table has misaligned numbers");
  auto hasSection = [&](uint32_t id, std::string_view content) {
    auto found = std::ranges::find(rows, id, &Row::id);
    return found != rows.end() &&
           found->kind == (content == "cuda"     ? SectionKind::CudaCode
                           : content == "fusion" ? SectionKind::Fusion
                                                 : SectionKind::CpuSharedObject);
  };
  if (Status status = validateModel(*root, hasSection); !status)
    return broken(status.error().message());
  return Status::ok();
}

} // namespace danaus
