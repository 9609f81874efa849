// Device memory: allocations in one reserved range, with shadows that know what was written, and by
// whom. Private to the engine; Engine.h's Memory is its face.
#pragma once

#include "runtime/vgpu/Engine.h"

#include <array>
#include <map>
#include <unordered_map>

namespace danaus::vgpu {

/// Who touched a piece of memory last. Numbers of operations count from 1 over a memory's life; 0:
/// none. A write forgets the readers before it: whoever is in conflict with them is with it.
struct Touched {
  uint32_t writer, writerBlock, reader, readerBlock;
  bool isWritten;
  bool operator==(const Touched &) const = default;
};

/// What is known of 64 KiB: by sectors of 32 bytes where all of one is alike, which is the rule,
/// else by units of 2 bytes.
struct Shadow {
  static constexpr uint64_t Bytes = 1 << 16;
  static constexpr uint32_t SectorUnits = 16, Sectors = Bytes / 32, Units = Bytes / 2;
  static constexpr uint32_t Many = ~0u; ///< several blocks have read it
  struct Sector : Touched {
    bool isSplit;                 ///< its units differ: look there
    uint32_t lastRead, lastWrite; ///< operations that have read or written any of it
  };
  Sector sectors[Sectors];
  Touched units[Units]; ///< of sectors that are split
};

struct Memory::State {
  explicit State(uint64_t capacity);
  ~State();

  uint64_t capacity, used = 0;
  std::byte *base = nullptr; ///< of the reserved range; addresses are host addresses
  uint64_t reserved = 0;
  std::map<uint64_t, uint64_t> allocations; ///< start to bytes
  std::map<uint64_t, uint64_t> freeRanges;  ///< of the reserved range, red zones included
  std::unordered_map<uint64_t, std::unique_ptr<Shadow>> shadows;
  std::vector<Finding> findings;

  // The present operation.
  uint32_t operation = 0;
  std::string operationName;
  uint32_t firstUnordered = 1; ///< all operations before it are before the present one
  std::vector<bool> ordered;   ///< of those from firstUnordered on
  struct Done {
    uint32_t lane;
    uint64_t sequence;
    std::string name;
  };
  std::vector<Done> done; ///< operation i + 1

  /// Begins an operation.
  void begin(const Order &order);
  bool isBefore(uint32_t earlier) const {
    return earlier < firstUnordered || earlier == operation || ordered[earlier - firstUnordered];
  }
  /// The allocation that holds [address, address + bytes); null when none does.
  bool contains(uint64_t address, uint64_t bytes);
  /// An allocation has gone.
  void forget() { lastStart = lastEnd = 0; }
  Shadow &shadowOf(uint64_t address);
  /// "0x... is 4 bytes past the end of the 1,024 bytes at 0x..."
  std::string describe(uint64_t address) const;

  /// Write, Read: by another block of the present launch. Earlier...: by an operation without an
  /// order.
  enum class Conflict { None, Unwritten, Write, Read, EarlierWrite, EarlierRead };
  struct Met {
    uint32_t other;   ///< a block or an operation
    uint64_t address; ///< of the first unit that is in conflict
  };
  /// Marks [address, address + bytes) as read or written by `block` of the present operation; says
  /// what stands against it, and with `met` who and where. Adds sectors that the operation had not
  /// touched before.
  Conflict read(uint64_t address, uint64_t bytes, uint32_t block, Met &met, uint64_t &newSectors);
  Conflict write(uint64_t address, uint64_t bytes, uint32_t block, Met &met, uint64_t &newSectors);
  /// Who "other" is, for a message.
  std::string nameOf(Conflict conflict, uint32_t other) const;

private:
  enum class Kind { Read, Write };
  template <Kind kind>
  Conflict touch(uint64_t address, uint64_t bytes, uint32_t block, Met &met, uint64_t &newSectors);
  template <Kind kind>
  Conflict touchUnits(Shadow &shadow, uint32_t sector, uint32_t first, uint32_t last,
                      uint32_t block, uint64_t base, Met &met);
  template <Kind kind> bool isSuspect(const Touched &touched, uint32_t block) const;
  template <Kind kind> void mark(Touched &touched, uint32_t block) const;
  template <Kind kind>
  Conflict explain(const Touched &touched, uint32_t block, uint32_t &other) const;

  uint64_t lastStart = 0, lastEnd = 0; ///< the allocation found last
  struct Known {
    uint64_t number = ~uint64_t(0);
    Shadow *shadow = nullptr;
  };
  std::array<Known, 64> known; ///< shadows, by their number's low bits
};

} // namespace danaus::vgpu
