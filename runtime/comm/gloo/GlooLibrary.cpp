// libdanaus_gloo.so: GlooApi.h over Gloo's classes.
#include "runtime/comm/gloo/GlooApi.h"

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/broadcast.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/types.h>

#include <cstring>
#include <exception>

struct danaus_gloo {
  std::shared_ptr<gloo::rendezvous::Context> context;
};

namespace {

constexpr size_t MaxValueBytes = 1 << 20;

/// Our rendezvous as one of Gloo's.
class Store final : public gloo::rendezvous::Store {
public:
  explicit Store(const danaus_gloo_store &functions) : functions(functions) {}

  void set(const std::string &key, const std::vector<char> &data) override {
    if (!functions.set(functions.self, key.c_str(), data.data(), data.size()))
      throw std::runtime_error("the address of this rank could not be made known");
  }
  std::vector<char> get(const std::string &key) override {
    std::vector<char> data(MaxValueBytes);
    size_t count = data.size();
    if (!functions.get(functions.self, key.c_str(), data.data(), &count))
      throw std::runtime_error("the address of a rank did not come");
    data.resize(count);
    return data;
  }
  void wait(const std::vector<std::string> &keys) override {
    for (const std::string &key : keys)
      (void)get(key);
  }
  void wait(const std::vector<std::string> &keys, const std::chrono::milliseconds &) override {
    wait(keys);
  }

private:
  danaus_gloo_store functions;
};

/// Runs `body`; whether it threw nothing.
template <typename Body> bool guarded(danaus_gloo_error *error, Body body) {
  try {
    body();
    return true;
  } catch (const std::exception &thrown) {
    std::strncpy(error->text, thrown.what(), sizeof error->text - 1);
    error->text[sizeof error->text - 1] = 0;
    return false;
  }
}

template <typename T>
bool sum(danaus_gloo &gloo, T *values, size_t count, danaus_gloo_error *error) {
  return guarded(error, [&] {
    gloo::AllreduceOptions options(gloo.context);
    options.setOutput(values, count);
    // The ring: its order of additions depends on nothing but sizes.
    options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    options.setReduceFunction(
        [](void *into, const void *a, const void *b, size_t n) { gloo::sum<T>(into, a, b, n); });
    gloo::allreduce(options);
  });
}

/// Of this library's own operations; Gloo's have 1 to 8.
constexpr uint8_t ReduceScatterPrefix = 0x41, GatherPrefix = 0x42;

void waitFor(bool done, const char *what) {
  if (!done)
    throw std::runtime_error(std::string(what) + " was broken off");
}

/// The first half of a ring all-reduce: a part begins at the rank behind its own, and each on the
/// way adds what it has. The order of additions depends on nothing but the number of ranks.
void reduceScatter(const std::shared_ptr<gloo::rendezvous::Context> &context, float *values,
                   size_t count) {
  int rank = context->rank, size = context->size;
  size_t part = count / size_t(size), bytes = part * sizeof(float);
  std::vector<float> received(part);
  auto from = context->createUnboundBuffer(values, count * sizeof(float));
  auto into = context->createUnboundBuffer(received.data(), bytes);
  uint64_t slot = gloo::Slot::build(ReduceScatterPrefix, 0);
  int left = (rank + size - 1) % size, right = (rank + 1) % size;
  for (int step = 1; step < size; ++step) {
    size_t sent = size_t(rank - step + size) % size_t(size);
    float *next = values + size_t(rank - step - 1 + 2 * size) % size_t(size) * part;
    into->recv(left, slot, 0, bytes);
    from->send(right, slot, sent * bytes, bytes);
    waitFor(into->waitRecv(context->getTimeout()), "a sum");
    for (size_t i = 0; i < part; ++i)
      next[i] += received[i];
    waitFor(from->waitSend(context->getTimeout()), "a sum");
  }
}

void gather(const std::shared_ptr<gloo::rendezvous::Context> &context, const void *own,
            const uint64_t *counts, void *all) {
  uint64_t slot = gloo::Slot::build(GatherPrefix, 0);
  if (context->rank != 0) {
    if (counts[context->rank] == 0)
      return;
    auto from = context->createUnboundBuffer(const_cast<void *>(own), counts[context->rank]);
    from->send(0, slot);
    return waitFor(from->waitSend(context->getTimeout()), "a gathering");
  }
  std::memcpy(all, own, counts[0]);
  char *next = static_cast<char *>(all) + counts[0];
  for (int other = 1; other < context->size; next += counts[other++]) {
    if (counts[other] == 0)
      continue;
    auto into = context->createUnboundBuffer(next, counts[other]);
    into->recv(other, slot);
    waitFor(into->waitRecv(context->getTimeout()), "a gathering");
  }
}

} // namespace

extern "C" {

danaus_gloo *danaus_gloo_connect(unsigned rank, unsigned size, const char *address,
                                 uint64_t timeout_ms, const danaus_gloo_store *store,
                                 danaus_gloo_error *error) {
  auto gloo = std::make_unique<danaus_gloo>();
  bool connected = guarded(error, [&] {
    gloo::transport::tcp::attr attributes;
    attributes.hostname = address;
    auto device = gloo::transport::tcp::CreateDevice(attributes);
    gloo->context = std::make_shared<gloo::rendezvous::Context>(int(rank), int(size));
    gloo->context->setTimeout(std::chrono::milliseconds(timeout_ms));
    Store keys(*store);
    gloo->context->connectFullMesh(keys, device);
  });
  return connected ? gloo.release() : nullptr;
}

void danaus_gloo_set_timeout(danaus_gloo *gloo, uint64_t timeout_ms) {
  gloo->context->setTimeout(std::chrono::milliseconds(timeout_ms));
}

int danaus_gloo_sum_f32(danaus_gloo *gloo, float *values, size_t count, danaus_gloo_error *error) {
  return sum(*gloo, values, count, error);
}

int danaus_gloo_sum_f64(danaus_gloo *gloo, double *values, size_t count, danaus_gloo_error *error) {
  return sum(*gloo, values, count, error);
}

int danaus_gloo_reduce_scatter_f32(danaus_gloo *gloo, float *values, size_t count,
                                   danaus_gloo_error *error) {
  return guarded(error, [&] { reduceScatter(gloo->context, values, count); });
}

int danaus_gloo_all_gather_f32(danaus_gloo *gloo, float *values, size_t count,
                               danaus_gloo_error *error) {
  return guarded(error, [&] {
    gloo::AllgatherOptions options(gloo->context);
    size_t part = count / size_t(gloo->context->size);
    options.setInput(values + size_t(gloo->context->rank) * part, part);
    options.setOutput(values, count);
    gloo::allgather(options);
  });
}

int danaus_gloo_gather(danaus_gloo *gloo, const void *own, const uint64_t *counts, void *all,
                       danaus_gloo_error *error) {
  return guarded(error, [&] { gather(gloo->context, own, counts, all); });
}

int danaus_gloo_broadcast(danaus_gloo *gloo, void *bytes, size_t count, danaus_gloo_error *error) {
  return guarded(error, [&] {
    gloo::BroadcastOptions options(gloo->context);
    options.setOutput(static_cast<char *>(bytes), count);
    options.setRoot(0);
    gloo::broadcast(options);
  });
}

void danaus_gloo_abort(danaus_gloo *gloo) {
  danaus_gloo_error ignored;
  (void)guarded(&ignored, [&] { gloo->context->closeConnections(); });
}

void danaus_gloo_free(danaus_gloo *gloo) { delete gloo; }

} // extern "C"
