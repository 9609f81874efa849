// Walks to every vector of 8-byte elements in a model table.
#include "runtime/plan/Alignment.h"

#include <algorithm>
#include <cstdint>

namespace danaus {

namespace {

bool isAligned(const flatbuffers::Vector<uint64_t> *vector) {
  return !vector || vector->size() == 0 || uintptr_t(vector->Data()) % sizeof(uint64_t) == 0;
}

/// Whether `holds` is true of every table of a vector.
template <typename T, typename Predicate>
bool all(const flatbuffers::Vector<flatbuffers::Offset<T>> &tables, Predicate holds) {
  return std::all_of(tables.begin(), tables.end(), [&](const T *table) { return holds(*table); });
}

bool isAligned(const fb::Program &program) {
  return all(*program.stages(), [](const fb::Stage &stage) {
    return all(*stage.launches(), [](const fb::Launch &launch) {
      return isAligned(launch.buffers()) && isAligned(launch.strides());
    });
  });
}

bool isAligned(const fb::TargetPlan &plan) {
  auto place = [](const fb::ParameterPlace &it) { return isAligned(it.state_offsets()); };
  auto buffer = [](const fb::Buffer &it) { return isAligned(it.shape()); };
  auto program = [](const fb::Program &it) { return isAligned(it); };
  auto shard = [](const fb::Shard &it) { return isAligned(it.state_offsets()); };
  return all(*plan.places(), place) && (!plan.shards() || all(*plan.shards(), shard)) &&
         all(*plan.buffers(), buffer) && all(*plan.programs(), program);
}

} // namespace

bool vectorsAreAligned(const fb::Model &model) {
  auto parameter = [](const fb::Parameter &it) { return isAligned(it.shape()); };
  auto plan = [](const fb::TargetPlan &it) { return isAligned(it); };
  return isAligned(model.input_shape()) && all(*model.phases(), [&](const fb::Phase &phase) {
           return all(*phase.parameters(), parameter) && all(*phase.targets(), plan);
         });
}

} // namespace danaus
