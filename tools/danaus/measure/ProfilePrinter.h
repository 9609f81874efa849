// What danaus profile prints: a table for people, JSON or CSV for programs.
#pragma once

#include "runtime/profile/ProfileRows.h"

namespace danaus::tool {

/// To stdout: times, or where the device counts, counters and predicted times.
void printTable(const ProfileReport &report);
void printJson(const ProfileReport &report);
void printCsv(const ProfileReport &report);

} // namespace danaus::tool
