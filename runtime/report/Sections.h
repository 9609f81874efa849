// The sections of report.html, each HTML that ends with a line break; empty where there is nothing
// to show.
#pragma once

#include "runtime/report/RunFiles.h"

namespace danaus {

// Of the run as a whole (RunTables.cpp).
std::string headline(const RunFiles &run);
std::string epochTable(const RunFiles &run);
std::string phaseList(const RunFiles &run);
std::string environmentTable(const RunFiles &run);

// Of one phase (PhaseTables.cpp); `profile` as in ProfileJson.h, or null.
std::string layerTable(const fb::Model &model, const fb::Phase &phase,
                       const nlohmann::json &profile);
std::string kernelTable(const nlohmann::json &profile);

/// What lies where in the arena, from stage to stage of the program that computes gradients, and
/// the values that take most (MemoryMap.cpp).
std::string memoryMap(const fb::Phase &phase, const fb::TargetPlan &plan);

/// Which kernel computes which layers, in which order, and why not more of them in one
/// (FusionMap.cpp). `compilerSays`: the plan's section of what was fused, empty where there is
/// none.
std::string fusionMap(const fb::TargetPlan &plan, std::string_view compilerSays);

/// 64 B, 1.5 KiB, 3.2 MiB, 1.1 GiB.
std::string byteText(uint64_t bytes);

/// A number of JSON, 0 where there is none.
double numberOf(const nlohmann::json &object, const char *key);

/// "blocks.0-3.attn.q, head": names that differ in their first number together, each once, in the
/// order of the first; of more than `most` such entries the rest is counted.
std::string compactNames(const std::vector<std::string> &names, size_t most);

/// "7, 11-12, 19", of ascending numbers.
std::string lineText(const std::vector<uint64_t> &lines);

/// Words with a separator between.
std::string joinWords(const std::vector<std::string> &words, const char *separator);

} // namespace danaus
