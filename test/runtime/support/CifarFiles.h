// Makes small datasets in CIFAR-10's binary format.
#pragma once

#include "runtime/data/formats/Cifar10.h"
#include "test/runtime/support/TempFolder.h"

namespace danaus::test {

/// Record i, from `first` on, has the label i mod 10; value j of its image is (7 i + j) mod 256.
inline std::string cifarRecordsFrom(uint32_t first, uint32_t count) {
  std::string content;
  for (uint32_t record = first; record < first + count; ++record) {
    content += char(record % 10);
    for (uint32_t value = 0; value + 1 < cifarRecordBytes; ++value)
      content += char(uint8_t(7 * record + value));
  }
  return content;
}

/// The six files in an existing folder: `perBatch` records in each of the five batches for
/// training, numbered through, and `test` records.
inline void writeCifar10(const std::string &folder, uint32_t perBatch, uint32_t test) {
  uint32_t first = 0;
  for (const std::string &name : cifar10Files(Portion::Train)) {
    writeText(joinPath(folder, name), cifarRecordsFrom(first, perBatch));
    first += perBatch;
  }
  writeText(joinPath(folder, "test_batch.bin"), cifarRecordsFrom(0, test));
}

} // namespace danaus::test
