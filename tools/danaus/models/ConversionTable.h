// What convert and train print of linears that changed their structure.
#pragma once

#include "runtime/structure/ConvertWeights.h"

namespace danaus::tool {

/// A row for each: structures, sizes, parameters of the weight before and after, relative error.
std::string conversionTable(const std::vector<LayerConversion> &layers);

} // namespace danaus::tool
