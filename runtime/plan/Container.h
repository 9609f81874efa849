// The bytes of the container's header and table rows, shared by its writer and its reader; the
// layout is described in ModelFile.h. Private to this room.
#pragma once

#include "runtime/plan/ModelFile.h"

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace danaus::container {

static_assert(std::endian::native == std::endian::little, "the container is read in place");

inline constexpr std::array<unsigned char, 8> Magic = {0x89, 'D', 'N', 'B', '\r', '\n', 0x1A, '\n'};

struct Header {
  std::array<unsigned char, 8> magic;
  uint32_t version;
  uint32_t sections;
  uint64_t fileBytes;
  uint32_t checksum;
  uint32_t zero;
};

struct Row {
  uint32_t id;
  uint32_t kind;
  uint64_t offset;
  uint64_t bytes;
  uint32_t checksum;
  uint32_t zero;
};

static_assert(sizeof(Header) == 32 && std::is_trivially_copyable_v<Header>);
static_assert(sizeof(Row) == 32 && std::is_trivially_copyable_v<Row>);

constexpr uint64_t alignUp(uint64_t value) {
  return (value + SectionAlignment - 1) / SectionAlignment * SectionAlignment;
}

/// zlib's crc32; unlike zlib's, of any size.
uint32_t checksum(std::span<const std::byte> bytes, uint32_t previous = 0);

/// crc32 of the header, its own field counted as zero, and the table.
uint32_t tableChecksum(Header header, std::span<const Row> rows);

} // namespace danaus::container
