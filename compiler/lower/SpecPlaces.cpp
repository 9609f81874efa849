// See SpecPlaces.h.
#include "compiler/lower/SpecPlaces.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace danaus;

void SpecPlaces::collect(Location loc) {
  if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location inner : fused.getLocations())
      collect(inner);
  } else if (auto name = dyn_cast<NameLoc>(loc)) {
    names.insert(name.getName().getValue());
    collect(name.getChildLoc());
  } else if (auto place = dyn_cast<FileLineColLoc>(loc)) {
    lines.insert(place.getLine());
    file = place.getFilename().getValue();
  }
}
