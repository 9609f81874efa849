// Checks of one plan: that every offset lies in the arena, every index in its table, and that the
// buffers by which the runtime talks to a step are there and large enough.
#include "runtime/plan/ValidatePlan.h"

#include "runtime/plan/Control.h"
#include "runtime/plan/KernelAbi.h"

#include <algorithm>

namespace danaus {

namespace {

// Bounds that no real plan comes near; below them, sums over a program cannot overflow.
constexpr uint64_t MaxTiles = uint64_t(1) << 32;
constexpr uint64_t MaxScratchBytes = uint64_t(1) << 32;

struct Checker {
  const fb::Model &model;
  const fb::Phase &phase;
  const fb::TargetPlan &plan;

  Status checkRange(const std::string &what, uint64_t offset, uint64_t bytes) const {
    uint64_t arena = plan.arena_bytes();
    if (offset % ArenaAlignment != 0)
      return invalidModel(
          what + format(" at offset %zu is not aligned to %zu", size_t(offset), ArenaAlignment));
    if (bytes > arena || offset > arena - bytes)
      return invalidModel(what + format(" (%zu bytes at offset %zu) is outside the arena of %zu "
                                        "bytes",
                                        size_t(bytes), size_t(offset), size_t(arena)));
    return Status::ok();
  }

  Status checkPlace(const fb::Parameter &parameter, const fb::ParameterPlace &place) const {
    std::string name = parameter.name()->str();
    uint64_t bytes = *byteSize(*parameter.shape(), fb::DType::F32);
    if (Status status = checkRange("parameter " + name, place.offset(), bytes); !status)
      return status;
    if (Status status = checkRange("the gradient of " + name, place.gradient_offset(), bytes);
        !status)
      return status;
    uint32_t states = place.state_offsets() ? place.state_offsets()->size() : 0;
    if (states != (isSharded() ? 0 : stateCount(model)))
      return invalidModel(
          format("parameter %s has %u optimizer states, the optimizer %s%s needs %u", name.c_str(),
                 states, fb::EnumNameOptimizerKind(model.optimizer()->kind()),
                 model.training()->ema() > 0 ? " with a moving average" : "",
                 isSharded() ? 0 : stateCount(model)));
    for (uint32_t slot = 0; slot < states; ++slot)
      if (Status status = checkRange(format("state %u of ", slot) + name,
                                     place.state_offsets()->Get(slot), bytes);
          !status)
        return status;
    return Status::ok();
  }

  Status checkPlaces() const {
    uint32_t places = plan.places()->size(), parameters = phase.parameters()->size();
    if (places != parameters)
      return invalidModel(format("%u places for %u parameters", places, parameters));
    for (uint32_t i = 0; i < places; ++i)
      if (Status status = checkPlace(*phase.parameters()->Get(i), *plan.places()->Get(i)); !status)
        return status;
    return Status::ok();
  }

  bool isSharded() const { return plan.shards() && plan.shards()->size() > 0; }
  uint64_t ranks() const { return model.training()->ranks(); }

  /// Parts of all ranks that lie one behind the other.
  Status checkParts(const std::string &what, uint64_t offset, uint64_t partBytes) const {
    uint64_t bytes = 0;
    if (partBytes == 0 || partBytes % ArenaAlignment != 0 ||
        __builtin_mul_overflow(partBytes, ranks(), &bytes))
      return invalidModel(what + format(" has parts of %zu bytes for each of %zu ranks",
                                        size_t(partBytes), size_t(ranks())));
    return checkRange(what, offset, bytes);
  }

  Status checkShard(const fb::Shard &shard, uint32_t number) const {
    std::string what = format("shard %u", number);
    if (Status status = checkParts(what, shard.offset(), shard.part_bytes()); !status)
      return status;
    std::string gradients = "the gradients of " + what;
    if (Status status = checkParts(gradients, shard.gradient_offset(), shard.part_bytes()); !status)
      return status;
    uint32_t states = shard.state_offsets() ? shard.state_offsets()->size() : 0;
    if (states != stateCount(model))
      return invalidModel(what + format(" has %u optimizer states, the optimizer needs %u", states,
                                        stateCount(model)));
    for (uint32_t slot = 0; slot < states; ++slot)
      if (Status status = checkRange(format("state %u of ", slot) + what,
                                     shard.state_offsets()->Get(slot), shard.part_bytes());
          !status)
        return status;
    return Status::ok();
  }

  /// Each parameter lies in a shard, and its gradient at the same place in that of the gradients.
  Status checkShards() const {
    if (!isSharded())
      return Status::ok();
    for (uint32_t i = 0; i < plan.shards()->size(); ++i)
      if (Status status = checkShard(*plan.shards()->Get(i), i); !status)
        return status;
    for (uint32_t i = 0; i < plan.places()->size(); ++i) {
      const fb::ParameterPlace &place = *plan.places()->Get(i);
      const fb::Parameter &parameter = *phase.parameters()->Get(i);
      uint64_t bytes = *byteSize(*parameter.shape(), fb::DType::F32);
      bool found = std::ranges::any_of(*plan.shards(), [&](const fb::Shard *shard) {
        uint64_t size = shard->part_bytes() * ranks(), at = place.offset() - shard->offset();
        return place.offset() >= shard->offset() && at <= size && bytes <= size - at &&
               place.gradient_offset() - shard->gradient_offset() == at;
      });
      if (!found)
        return invalidModel("no shard holds parameter " + parameter.name()->str() +
                            " and its gradient");
    }
    return Status::ok();
  }

  Status checkBuffer(const fb::Buffer &buffer) const {
    std::string what = "buffer " + buffer.name()->str();
    if (buffer.role() > fb::BufferRole::MAX)
      return invalidModel(what + format(" has the unknown role %d", int(buffer.role())));
    if (buffer.dtype() > fb::DType::MAX)
      return invalidModel(what + format(" has the unknown type %d", int(buffer.dtype())));
    std::optional<uint64_t> bytes = byteSize(*buffer.shape(), buffer.dtype());
    if (!bytes)
      return invalidModel(what + ": its shape has a 0 or more bytes than 64 bits can count");
    if (buffer.bytes() < *bytes)
      return invalidModel(what + format(" has %zu bytes, its shape needs %zu",
                                        size_t(buffer.bytes()), size_t(*bytes)));
    return checkRange(what, buffer.offset(), buffer.bytes());
  }

  /// The buffers of a role: how many, of which type, of at least how many elements.
  Status checkRole(fb::BufferRole role, fb::DType type, uint64_t elements, bool required) const {
    const char *name = fb::EnumNameBufferRole(role);
    const fb::Buffer *found = nullptr;
    for (const fb::Buffer *buffer : *plan.buffers()) {
      if (buffer->role() != role)
        continue;
      if (found)
        return invalidModel(format("two buffers have the role %s", name));
      found = buffer;
    }
    if (!found)
      return required ? Status(invalidModel(format("no buffer has the role %s", name)))
                      : Status::ok();
    if (found->dtype() != type)
      return invalidModel(format("the %s buffer is %s instead of %s", name,
                                 fb::EnumNameDType(found->dtype()), fb::EnumNameDType(type)));
    uint64_t present = *byteSize(*found->shape(), fb::DType::U8);
    if (present < elements)
      return invalidModel(format("the %s buffer has %zu elements, %zu are needed", name,
                                 size_t(present), size_t(elements)));
    return Status::ok();
  }

  Status checkBuffers() const {
    for (const fb::Buffer *buffer : *plan.buffers())
      if (Status status = checkBuffer(*buffer); !status)
        return status;
    uint64_t batch = 1;
    for (const fb::Program *program : *plan.programs())
      batch = std::max(batch, program->batch());
    uint64_t inputs = 0, logits = 0;
    if (__builtin_mul_overflow(batch, *byteSize(*model.input_shape(), fb::DType::U8), &inputs) ||
        __builtin_mul_overflow(batch, model.classes(), &logits))
      return invalidModel("batch times input or classes is more than 64 bits can count");
    struct Rule {
      fb::BufferRole role;
      fb::DType type;
      uint64_t elements;
      bool required;
    };
    for (const Rule &rule : {Rule{fb::BufferRole::Input, fb::DType::F32, inputs, true},
                             Rule{fb::BufferRole::Label, fb::DType::I32, batch, true},
                             Rule{fb::BufferRole::MixLabel, fb::DType::I32, batch, false},
                             Rule{fb::BufferRole::MixWeight, fb::DType::F32, batch, false},
                             Rule{fb::BufferRole::Control, fb::DType::F32, control::Count, true},
                             Rule{fb::BufferRole::Metrics, fb::DType::F32, metrics::Count, true},
                             Rule{fb::BufferRole::Logits, fb::DType::F32, logits, false}})
      if (Status status = checkRole(rule.role, rule.type, rule.elements, rule.required); !status)
        return status;
    return Status::ok();
  }

  Status checkKernels() const {
    for (const fb::Kernel *kernel : *plan.kernels()) {
      std::string what = "kernel " + kernel->symbol()->str();
      if (kernel->symbol()->size() == 0)
        return invalidModel("a kernel without a symbol");
      if (kernel->tiles() == 0 || kernel->tiles() > MaxTiles)
        return invalidModel(what + format(" has %zu tiles", size_t(kernel->tiles())));
      if (kernel->scratch_bytes() > MaxScratchBytes)
        return invalidModel(
            what + format(" asks for %zu bytes of scratch", size_t(kernel->scratch_bytes())));
    }
    return Status::ok();
  }

  Status checkLaunch(const fb::Launch &launch) const {
    if (launch.kernel() >= plan.kernels()->size())
      return invalidModel(format("kernel %u of %u", launch.kernel(), plan.kernels()->size()));
    const fb::Kernel &kernel = *plan.kernels()->Get(launch.kernel());
    if (launch.buffers()->size() != kernel.arguments())
      return invalidModel(format("%u buffers for the %u arguments of kernel %s",
                                 launch.buffers()->size(), kernel.arguments(),
                                 kernel.symbol()->c_str()));
    bool moves = launch.strides() && launch.strides()->size() > 0;
    if (moves && launch.strides()->size() != launch.buffers()->size())
      return invalidModel(
          format("%u strides for %u buffers", launch.strides()->size(), launch.buffers()->size()));
    for (uint32_t i = 0; i < launch.buffers()->size(); ++i) {
      std::string what = format("buffer %u", i);
      uint64_t stride = moves ? launch.strides()->Get(i) : 0;
      Status status = stride ? checkParts(what, launch.buffers()->Get(i), stride)
                             : checkRange(what, launch.buffers()->Get(i), 1);
      if (!status)
        return status;
    }
    return Status::ok();
  }

  Status checkProgram(const fb::Program &program) const {
    if (program.batch() == 0)
      return invalidModel("its batch is 0");
    for (uint32_t s = 0; s < program.stages()->size(); ++s)
      for (const fb::Launch *launch : *program.stages()->Get(s)->launches())
        if (Status status = checkLaunch(*launch); !status)
          return invalidModel(format("stage %u, launch \"%s\": ", s, launch->label()->c_str()) +
                              status.error().message());
    if (Status status = checkValues(program); !status)
      return status;
    return checkCollectives(program);
  }

  Status checkValues(const fb::Program &program) const {
    if (!program.values())
      return Status::ok();
    uint32_t stages = program.stages()->size();
    for (const fb::Value *value : *program.values()) {
      std::string what = "value \"" + value->label()->str() + "\"";
      if (value->last() < value->first() || value->last() >= stages)
        return invalidModel(what + format(" lives from stage %u to %u of %u", value->first(),
                                          value->last(), stages));
      if (Status status = checkRange(what, value->offset(), value->bytes()); !status)
        return status;
    }
    return Status::ok();
  }

  /// In the order in which they begin, and none ends before it begins.
  Status checkCollectives(const fb::Program &program) const {
    if (!program.collectives())
      return Status::ok();
    uint32_t begun = 0, stages = program.stages()->size();
    for (const fb::Collective *each : *program.collectives()) {
      if (each->kind() > fb::CollectiveKind::MAX)
        return invalidModel(format("unknown collective kind %d", int(each->kind())));
      std::string what = std::string(fb::EnumNameCollectiveKind(each->kind())) + " \"" +
                         each->label()->str() + "\"";
      if (each->after() < begun || each->before() < each->after() || each->before() > stages)
        return invalidModel(what + format(" lasts from stage %u to %u of %u, the one before it "
                                          "begins at %u",
                                          each->after(), each->before(), stages, begun));
      begun = each->after();
      uint64_t bytes = 0;
      if (each->elements() == 0 || __builtin_mul_overflow(each->elements(), 4, &bytes))
        return invalidModel(what + format(" has %zu elements", size_t(each->elements())));
      bool hasParts = each->kind() != fb::CollectiveKind::AllReduce;
      if (hasParts && bytes % (ranks() * ArenaAlignment) != 0)
        return invalidModel(what + format(" of %zu bytes cannot be cut into %zu equal parts",
                                          size_t(bytes), size_t(ranks())));
      if (Status status = checkRange(what, each->offset(), bytes); !status)
        return status;
    }
    return Status::ok();
  }

  Status checkPrograms() const {
    std::vector<fb::ProgramKind> kinds;
    for (const fb::Program *program : *plan.programs()) {
      if (program->kind() > fb::ProgramKind::MAX)
        return invalidModel(format("unknown program kind %d", int(program->kind())));
      const char *name = fb::EnumNameProgramKind(program->kind());
      if (std::ranges::find(kinds, program->kind()) != kinds.end())
        return invalidModel(format("two programs are %s", name));
      kinds.push_back(program->kind());
      if (Status status = checkProgram(*program); !status)
        return invalidModel(std::string("program ") + name + ": " + status.error().message());
    }
    return Status::ok();
  }
};

} // namespace

Status validatePlan(const fb::Model &model, const fb::Phase &phase, const fb::TargetPlan &plan,
                    const HasSection &hasSection) {
  if (!hasSection(plan.code_section(), plan.target()->string_view()))
    return invalidModel(format("its code section %u is not in the file", plan.code_section()));
  if (plan.fusion_section() && !hasSection(plan.fusion_section(), "fusion"))
    return invalidModel(format("its fusion section %u is not in the file", plan.fusion_section()));
  Checker checker{model, phase, plan};
  if (Status status = checker.checkPlaces(); !status)
    return status;
  if (Status status = checker.checkShards(); !status)
    return status;
  if (Status status = checker.checkKernels(); !status)
    return status;
  if (Status status = checker.checkPrograms(); !status)
    return status;
  return checker.checkBuffers();
}

} // namespace danaus
