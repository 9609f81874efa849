// libdanaus_gloo.so, opened when it is needed.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/comm/gloo/GlooApi.h"

namespace danaus {

struct GlooFunctions {
  decltype(&danaus_gloo_connect) connect;
  decltype(&danaus_gloo_set_timeout) setTimeout;
  decltype(&danaus_gloo_sum_f32) sumF32;
  decltype(&danaus_gloo_sum_f64) sumF64;
  decltype(&danaus_gloo_reduce_scatter_f32) reduceScatterF32;
  decltype(&danaus_gloo_all_gather_f32) allGatherF32;
  decltype(&danaus_gloo_gather) gather;
  decltype(&danaus_gloo_broadcast) broadcast;
  decltype(&danaus_gloo_abort) abort;
  decltype(&danaus_gloo_free) free;
};

/// DeviceUnavailable says what is missing and what to do.
Expected<GlooFunctions> loadGloo();

} // namespace danaus
