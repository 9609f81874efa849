// The functions of libdanaus_gloo.so, the library beside the programs that is linked with Gloo and
// loaded only by ranks that need it. In C, so that neither exceptions nor the C++ library of either
// side crosses.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

/// Where ranks find each other's addresses; both return 0 where that fails.
struct danaus_gloo_store {
  void *self;
  int (*set)(void *self, const char *key, const char *bytes, size_t count);
  /// Waits for the key; `count` is the room in `bytes`, then what was written.
  int (*get)(void *self, const char *key, char *bytes, size_t *count);
};

struct danaus_gloo_error {
  char text[512];
};

struct danaus_gloo;

/// Connects to all other ranks; null where that fails. `address`: of this host, as a number.
danaus_gloo *danaus_gloo_connect(unsigned rank, unsigned size, const char *address,
                                 uint64_t timeout_ms, const danaus_gloo_store *store,
                                 danaus_gloo_error *error);
/// How long the operations below wait for others, from here on.
void danaus_gloo_set_timeout(danaus_gloo *gloo, uint64_t timeout_ms);

// All ranks call them in the same order, each on one thread at a time; 0: failed.
int danaus_gloo_sum_f32(danaus_gloo *gloo, float *values, size_t count, danaus_gloo_error *error);
int danaus_gloo_sum_f64(danaus_gloo *gloo, double *values, size_t count, danaus_gloo_error *error);
/// Of as many equal parts as there are ranks, this rank's part becomes its sums; the others are not
/// defined then. `count`: of all parts.
int danaus_gloo_reduce_scatter_f32(danaus_gloo *gloo, float *values, size_t count,
                                   danaus_gloo_error *error);
/// This rank's part goes to all others; `count` as before.
int danaus_gloo_all_gather_f32(danaus_gloo *gloo, float *values, size_t count,
                               danaus_gloo_error *error);
/// Rank 0 gets the bytes of all, in the order of the ranks; `counts`: of each rank. `all` is read
/// on rank 0 only.
int danaus_gloo_gather(danaus_gloo *gloo, const void *own, const uint64_t *counts, void *all,
                       danaus_gloo_error *error);
int danaus_gloo_broadcast(danaus_gloo *gloo, void *bytes, size_t count, danaus_gloo_error *error);

/// Makes operations fail, here and at the ranks that wait for this one; from any thread.
void danaus_gloo_abort(danaus_gloo *gloo);
void danaus_gloo_free(danaus_gloo *gloo);

} // extern "C"
