// Choosing a plan, loading it, and finding things in its arena. Every offset has been checked when
// the file was opened (runtime/plan/Validate.h).
#include "runtime/exec/Executor.h"

#include "runtime/plan/Validate.h"

#include <algorithm>
#include <utility>

namespace danaus {

namespace {

uint64_t elements(const flatbuffers::Vector<uint64_t> &shape) {
  return *byteSize(shape, fb::DType::U8);
}

std::string joined(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "nothing" : text;
}

} // namespace

uint64_t elementCount(const fb::Parameter &parameter) { return elements(*parameter.shape()); }

Executor::~Executor() = default;

Expected<std::unique_ptr<Executor>> Executor::open(const ModelFile &file, Device &device,
                                                   size_t phase, Communicator *ranks) {
  std::unique_ptr<Executor> executor(new Executor(file, device, ranks));
  Status status = executor->choosePlan(phase);
  if (status)
    status = executor->allocate();
  if (status)
    status = executor->loadPrograms();
  if (!status)
    return status.takeError().during("loading " + file.path());
  return executor;
}

Status Executor::checkPlans(const ModelFile &file, Device &device) {
  for (size_t phase = 0; phase < file.model().phases()->size(); ++phase)
    if (Status status = Executor(file, device).choosePlan(phase); !status)
      return status;
  return Status::ok();
}

Status Executor::choosePlan(size_t phase) {
  const auto &phases = *model().phases();
  if (phase >= phases.size())
    return Error(ExitCode::Internal,
                 format("phase %zu of a model with %u phases", phase, phases.size()));
  currentPhase = phases.Get(unsigned(phase));
  states = danaus::stateCount(model());
  for (const std::string &isa : owner->isas())
    for (const fb::TargetPlan *plan : *currentPhase->targets())
      if (plan->target()->string_view() == owner->target() && plan->isa()->string_view() == isa) {
        currentPlan = plan;
        return Status::ok();
      }
  std::vector<std::string> compiled;
  for (const fb::TargetPlan *plan : *currentPhase->targets())
    compiled.push_back(plan->target()->str() + ":" + plan->isa()->str());
  std::string target(owner->target());
  return Error(ExitCode::DeviceUnavailable,
               "it was compiled for " + joined(compiled) + ", but the device " +
                   std::string(owner->kind()) + " here runs " + target + " code for " +
                   joined(owner->isas()) + "; compile it with danausc --target " + target);
}

Status Executor::allocate() {
  Expected<std::unique_ptr<Arena>> allocated = owner->allocateArena(plannedBytes());
  if (!allocated)
    return allocated.takeError();
  arena = std::move(*allocated);
  return Status::ok();
}

std::string_view Executor::fusion() const {
  std::span<const std::byte> bytes;
  if (currentPlan->fusion_section())
    bytes = file->section(currentPlan->fusion_section());
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

Status Executor::loadPrograms() {
  Expected<std::unique_ptr<Code>> loaded = owner->loadCode(
      file->section(currentPlan->code_section()), currentPlan->isa()->string_view());
  if (!loaded)
    return loaded.takeError();
  loadedCode = std::move(*loaded);
  for (const fb::Program *program : *currentPlan->programs()) {
    programs.push_back({program, {}});
    if (Status status = loadSegments(programs.back()); !status)
      return status;
  }
  return Status::ok();
}

/// Cuts a program where a collective begins or must be done.
Status Executor::loadSegments(LoadedProgram &program) {
  uint32_t stages = program.table->stages()->size(), begin = 0;
  const auto *collectives = others ? program.table->collectives() : nullptr;
  do {
    Segment segment;
    uint32_t end = stages;
    if (collectives)
      for (const fb::Collective *each : *collectives) {
        for (uint32_t cut : {each->after(), each->before()})
          if (cut > begin)
            end = std::min(end, cut);
        segment.begun += each->after() <= begin;
        segment.awaited += each->before() <= begin;
      }
    auto executable =
        owner->loadProgram(*arena, *loadedCode, describeStages(*program.table, begin, end));
    if (!executable)
      return executable.takeError();
    segment.executable = std::move(*executable);
    program.segments.push_back(std::move(segment));
    begin = end;
  } while (begin < stages);
  return Status::ok();
}

/// Stages [begin, end) of a program, buffers at the places of this rank.
ProgramSpec Executor::describeStages(const fb::Program &program, uint32_t begin, uint32_t end) {
  ProgramSpec spec;
  for (const fb::Kernel *kernel : *currentPlan->kernels())
    spec.kernels.push_back(
        {kernel->symbol()->str(), kernel->tiles(), kernel->scratch_bytes(), kernel->arguments()});
  for (uint32_t i = begin; i < end; ++i) {
    std::vector<LaunchSpec> &launches = spec.stages.emplace_back();
    for (const fb::Launch *launch : *program.stages()->Get(i)->launches()) {
      LaunchSpec &each =
          launches.emplace_back(LaunchSpec{launch->kernel(),
                                           {launch->buffers()->begin(), launch->buffers()->end()},
                                           launch->label()->str()});
      for (uint32_t b = 0; launch->strides() && b < launch->strides()->size(); ++b)
        each.buffers[b] += ranks().rank() * launch->strides()->Get(b);
    }
  }
  return spec;
}

std::byte *Executor::view(uint64_t offset, uint64_t bytes, Use use) {
  if (std::byte *host = arena->host())
    return host + offset;
  Mirror &mirror = mirrors[offset];
  if (use == Use::HostOwned)
    return hostOwned(mirror, bytes);
  if (mirror.content.size() < bytes) {
    mirror.content.resize(bytes);
    mirror.isCurrent = false;
  }
  if (!mirror.isCurrent)
    if (Status status = owner->copyOut(*arena, offset, mirror.content); !status)
      copyFailure = std::move(status);
  mirror.isCurrent = true;
  mirror.mayDiffer |= use != Use::ReadOnly;
  return mirror.content.data();
}

/// No program writes there: it is zero until the host does.
std::byte *Executor::hostOwned(Mirror &mirror, uint64_t bytes) {
  std::unique_ptr<HostMemory> &memory = mirror.turns[mirror.turn];
  if (!memory) {
    auto allocated = owner->allocateHost(bytes);
    if (!allocated) // the device has no more of the fast kind
      allocated = owner->Device::allocateHost(bytes);
    memory = std::move(*allocated);
  }
  mirror.mayDiffer = true;
  return memory->bytes().data();
}

Status Executor::send(uint64_t offset, Mirror &mirror) {
  if (!std::exchange(mirror.mayDiffer, false))
    return Status::ok();
  HostMemory *memory = mirror.turns[mirror.turn].get();
  return memory ? owner->copyInAhead(*arena, offset, memory->bytes())
                : owner->copyIn(*arena, offset, mirror.content);
}

Status Executor::sendViews() {
  for (auto &[offset, mirror] : mirrors) {
    if (Status status = send(offset, mirror); !status)
      return status;
    mirror.isCurrent = false;
  }
  return std::exchange(copyFailure, Status::ok());
}

std::vector<uint64_t> Executor::inputOffsets() const {
  std::vector<uint64_t> offsets;
  for (fb::BufferRole role : {fb::BufferRole::Input, fb::BufferRole::Label,
                              fb::BufferRole::MixLabel, fb::BufferRole::MixWeight})
    if (const fb::Buffer *found = findBuffer(role))
      offsets.push_back(found->offset());
  return offsets;
}

void Executor::turnInputs() {
  for (uint64_t offset : inputOffsets())
    mirrors[offset].turn ^= 1;
}

Status Executor::sendInputs() {
  for (uint64_t offset : inputOffsets())
    if (Status status = send(offset, mirrors[offset]); !status)
      return status;
  return Status::ok();
}

std::span<float> Executor::floats(uint64_t offset, uint64_t count, Use use) {
  return {reinterpret_cast<float *>(view(offset, count * sizeof(float), use)), size_t(count)};
}

std::span<float> Executor::parameter(size_t index) {
  return floats(currentPlan->places()->Get(unsigned(index))->offset(),
                elementCount(parameterInfo(index)));
}

std::span<float> Executor::gradient(size_t index) {
  return floats(currentPlan->places()->Get(unsigned(index))->gradient_offset(),
                elementCount(parameterInfo(index)));
}

std::span<const float> Executor::readGradient(size_t index) {
  return floats(currentPlan->places()->Get(unsigned(index))->gradient_offset(),
                elementCount(parameterInfo(index)), Use::ReadOnly);
}

std::optional<size_t> Executor::findParameter(std::string_view name) const {
  for (size_t i = 0; i < parameterCount(); ++i)
    if (parameterInfo(i).name()->string_view() == name)
      return i;
  return std::nullopt;
}

const fb::Buffer *Executor::findBuffer(fb::BufferRole role) const {
  const auto &buffers = *currentPlan->buffers();
  auto found = std::ranges::find_if(buffers.begin(), buffers.end(), [&](const fb::Buffer *buffer) {
    return buffer->role() == role;
  });
  return found == buffers.end() ? nullptr : *found;
}

std::span<float> Executor::buffer(fb::BufferRole role, Use use) {
  const fb::Buffer *found = findBuffer(role);
  return found ? floats(found->offset(), elements(*found->shape()), use) : std::span<float>();
}

std::span<int32_t> Executor::integers(fb::BufferRole role) {
  const fb::Buffer *found = findBuffer(role);
  if (!found)
    return {};
  uint64_t count = elements(*found->shape());
  return {
      reinterpret_cast<int32_t *>(view(found->offset(), count * sizeof(int32_t), Use::HostOwned)),
      size_t(count)};
}

std::span<float> Executor::input() { return buffer(fb::BufferRole::Input, Use::HostOwned); }
std::span<float> Executor::control() { return buffer(fb::BufferRole::Control, Use::HostOwned); }
std::span<const float> Executor::metrics() {
  return buffer(fb::BufferRole::Metrics, Use::ReadOnly);
}
std::span<const float> Executor::logits() { return buffer(fb::BufferRole::Logits, Use::ReadOnly); }

std::span<int32_t> Executor::label() { return integers(fb::BufferRole::Label); }
std::span<int32_t> Executor::mixLabel() { return integers(fb::BufferRole::MixLabel); }
std::span<float> Executor::mixWeight() { return buffer(fb::BufferRole::MixWeight, Use::HostOwned); }

const Executor::LoadedProgram *Executor::find(fb::ProgramKind kind) const {
  auto found = std::ranges::find_if(
      programs, [&](const LoadedProgram &program) { return program.table->kind() == kind; });
  return found == programs.end() ? nullptr : &*found;
}

uint64_t Executor::batch(fb::ProgramKind kind) const {
  const LoadedProgram *program = find(kind);
  return program ? program->table->batch() : 0;
}

Status Executor::run(fb::ProgramKind kind, const std::function<Status()> &meanwhile, Sums sums) {
  const LoadedProgram *program = find(kind);
  if (!program)
    return Error(ExitCode::CheckpointInvalid, file->path() + " has no program " +
                                                  fb::EnumNameProgramKind(kind) +
                                                  "; compile it again with danausc");
  if (Status status = sendViews(); !status)
    return status;
  Status beside;
  std::vector<uint64_t> numbers; // of the collectives that have begun
  const auto *collectives = program->table->collectives();
  bool shares = others && sums == Sums::OverRanks && collectives && collectives->size();
  for (const Segment &segment : program->segments) {
    if (shares) {
      if (Status status = beginCollectives(*program, segment.begun, numbers); !status)
        return status;
      if (size_t awaited = segment.awaited)
        if (Status status = finish(*collectives->Get(uint32_t(awaited - 1)), numbers[awaited - 1]);
            !status)
          return status;
    }
    if (Status status = owner->submit(*segment.executable); !status)
      return status;
    // Not before the last: the inputs are this step's until then.
    if (meanwhile && fillsAhead() && &segment == &program->segments.back())
      beside = meanwhile();
  }
  if (shares) {
    if (Status status = beginCollectives(*program, collectives->size(), numbers); !status)
      return status;
    if (Status status = finish(**collectives->rbegin(), numbers.back()); !status)
      return status;
  }
  Status status = owner->synchronize();
  if (status && shares) // what was added up is worth nothing if a rank is gone
    status = others->check();
  return status ? std::move(beside) : std::move(status);
}

std::vector<const fb::Launch *> Executor::launches(fb::ProgramKind kind) const {
  std::vector<const fb::Launch *> list;
  if (const LoadedProgram *program = find(kind))
    for (const fb::Stage *stage : *program->table->stages())
      list.insert(list.end(), stage->launches()->begin(), stage->launches()->end());
  return list;
}

void Executor::setTiming(fb::ProgramKind kind, Timing wanted, ThreadCounters *counters) {
  timing = wanted;
  if (timing == Timing::On)
    rankNanoseconds = 0;
  if (const LoadedProgram *program = find(kind))
    for (const Segment &segment : program->segments)
      segment.executable->setTiming(timing, counters);
}

std::vector<LaunchSums> Executor::launchSums(fb::ProgramKind kind) const {
  std::vector<LaunchSums> all;
  if (const LoadedProgram *program = find(kind))
    for (const Segment &segment : program->segments) {
      std::vector<LaunchSums> some = segment.executable->launchSums();
      all.insert(all.end(), some.begin(), some.end());
    }
  return all;
}

} // namespace danaus
