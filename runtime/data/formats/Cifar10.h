// CIFAR-10 in its binary version: records of a label byte and 3 x 32 x 32 bytes, red, green, blue
// plane. data_batch_1.bin to data_batch_5.bin are the training portion, test_batch.bin the test.
// Every way in which the files are usually broken has its own message.
#pragma once

#include "runtime/data/Dataset.h"

namespace danaus {

/// A label and its image.
inline constexpr uint64_t cifarRecordBytes = 1 + 3 * 32 * 32;
/// In each of the six published files.
inline constexpr uint64_t cifarRecords = 10000;

/// The files of a portion, in order: their names without the folder.
std::vector<std::string> cifar10Files(Portion portion);

/// Files may hold any number of records above 0; that they are the published ones is for Check.h.
Expected<Dataset> readCifar10(const DatasetFormat &format, const std::string &folder,
                              Portion portion);
DatasetFormat cifar10Format();

} // namespace danaus
