// See GlooFunctions.h.
#include "runtime/comm/gloo/GlooFunctions.h"

#include "runtime/base/DynamicLibrary.h"

namespace danaus {

Expected<GlooFunctions> loadGloo() {
  constexpr const char *name = "libdanaus_gloo.so";
  auto library = DynamicLibrary::open(besideProgram(name));
  if (!library)
    return Error(ExitCode::DeviceUnavailable,
                 "several processes on CPUs talk through Gloo, and " +
                     library.takeError().message() +
                     ": build it (Debian: libgloo-dev), or train with one process");
  GlooFunctions functions;
  bool whole = library->load("danaus_gloo_connect", functions.connect) &&
               library->load("danaus_gloo_set_timeout", functions.setTimeout) &&
               library->load("danaus_gloo_sum_f32", functions.sumF32) &&
               library->load("danaus_gloo_sum_f64", functions.sumF64) &&
               library->load("danaus_gloo_reduce_scatter_f32", functions.reduceScatterF32) &&
               library->load("danaus_gloo_all_gather_f32", functions.allGatherF32) &&
               library->load("danaus_gloo_gather", functions.gather) &&
               library->load("danaus_gloo_broadcast", functions.broadcast) &&
               library->load("danaus_gloo_abort", functions.abort) &&
               library->load("danaus_gloo_free", functions.free);
  if (!whole)
    return Error(ExitCode::DeviceUnavailable,
                 library->path() + " is of another version: build all of Danaus again");
  return functions;
}

} // namespace danaus
