// The container of a compiled model, a .dnb file: a header, a table of sections and the sections.
// The compiler writes it (writeModelFile), the runtime opens it (ModelFile::open); this room is the
// only one that both see. Knows the layout of the file; what the model table may say is checked in
// Validate.h. A change of the layout, of model.fbs or of Control.h is a change of FormatVersion.
//
// Layout, little-endian, everything not named is zero:
//   0  magic[8]      89 'D' 'N' 'B' CR LF 1A LF: a text-mode copy damages it visibly, as with PNG
//   8  u32 version   FormatVersion
//  12  u32 sections  number of rows of the table, at most MaxSections
//  16  u64 fileBytes
//  24  u32 checksum  crc32 of header and table, this field counted as zero
//  28  u32 zero
//  32  the table: a row of 32 bytes a section, in ascending order of id
//        u32 id; u32 kind; u64 offset; u64 bytes; u32 crc32 of the section's bytes; u32 zero
//  ..  the sections in the table's order, each at the next multiple of SectionAlignment
#pragma once

#include "runtime/base/Status.h"
#include "runtime/plan/model_generated.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace danaus {

inline constexpr uint32_t FormatVersion = 5;
inline constexpr uint64_t SectionAlignment = 64;
inline constexpr uint32_t MaxSections = 256;

enum class SectionKind : uint32_t {
  ModelTable = 1,      ///< the FlatBuffer of model.fbs; exactly one
  CpuSharedObject = 2, ///< an ELF shared object with the kernels of one TargetPlan
  CudaCode = 3,        ///< the FlatBuffer of cuda_code.fbs with those of a TargetPlan for "cuda"
  Fusion = 4, ///< JSON: what was fused in a TargetPlan, and why not more; nothing runs by it
};

/// A section to be written. `id` is what TargetPlan.code_section and fusion_section name; unique in
/// the file.
struct Section {
  uint32_t id;
  SectionKind kind;
  std::span<const std::byte> bytes;
};

/// Writes a model file atomically: `path` holds either what it held before or the whole new file.
/// The bytes depend on `sections` alone (their order does not matter). IoError when the system
/// refuses, Internal when ids repeat or the file has not exactly one model table.
Status writeModelFile(const std::string &path, std::span<const Section> sections);

/// The bytes that writeModelFile() writes; Internal as there.
Expected<std::vector<std::byte>> modelFileBytes(std::span<const Section> sections);
/// Writes such bytes as writeModelFile() does.
Status writeModelBytes(const std::string &path, std::span<const std::byte> bytes);

/// An opened model file that passed every check: whoever holds one need not check an offset again.
/// The file is read as a whole, so that what was checked is what is used, even if someone
/// overwrites the file meanwhile.
class ModelFile {
public:
  /// Reads and validates everything. CheckpointInvalid with the file's name, what is wrong and
  /// what to do; IoError when the file cannot be read.
  static Expected<ModelFile> open(const std::string &path);

  /// The same from bytes of a file that is elsewhere; `name` is what messages call it.
  static Expected<ModelFile> fromBytes(std::span<const std::byte> bytes, std::string name);

  const fb::Model &model() const { return *root; }
  const std::string &path() const { return name; }
  uint64_t fileBytes() const { return size; }
  std::span<const std::byte> bytes() const { return {content.get(), size_t(size)}; }

  /// The bytes of the section with this id, 64-byte aligned; empty when there is none.
  std::span<const std::byte> section(uint32_t id) const;

private:
  struct Row {
    uint32_t id;
    SectionKind kind;
    uint64_t offset, bytes;
    uint32_t checksum;
  };
  struct FreeAligned {
    void operator()(std::byte *bytes) const;
  };

  ModelFile() = default;
  Status allocate();
  Status readFile();
  Status check();
  Status readTable();
  Status checkSections() const;
  Status checkModel();
  Error broken(const std::string &what) const;

  std::string name;
  uint64_t size = 0;
  std::unique_ptr<std::byte[], FreeAligned> content;
  std::vector<Row> rows;
  const fb::Model *root = nullptr;
};

} // namespace danaus
