// Short forms of lists, for tables and graphs that people read.
#pragma once

#include <string>
#include <vector>

namespace danaus {

/// Names that differ in one number become one: "blocks.0.attn.q", ..., "blocks.7.attn.q" are
/// "blocks.0..7.attn.q", "contract_1", "contract_2", "contract_5" are "contract_1..2,5". In the
/// order in which each first occurs.
std::vector<std::string> foldNumbers(const std::vector<std::string> &names);

/// The same, and neighbours with one beginning share it: "blocks.0..7.{attn.q, attn.k}".
std::string foldNames(const std::vector<std::string> &names);

/// Stretches that repeat at once become one: "a, b, a, b, c" is "(a, b) x2, c".
std::string foldRepeats(const std::vector<std::string> &words);

} // namespace danaus
