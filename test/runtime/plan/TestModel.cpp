// The small valid model. Its arena, in bytes: w 0, b 64, their gradients 128 and 192, their momenta
// 256 and 320, input 384, label 448, control 512, metrics 576, logits 640.
#include "test/runtime/plan/TestModel.h"

#include "runtime/plan/Container.h"
#include "runtime/plan/Control.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace danaus::test {

namespace {

template <typename T> std::unique_ptr<T> parameter(const char *name, std::vector<uint64_t> shape) {
  auto table = std::make_unique<T>();
  table->name = name;
  table->shape = std::move(shape);
  table->init = std::make_unique<fb::InitT>();
  table->init->kind = fb::InitKind::Uniform;
  table->init->scale = 0.5;
  return table;
}

std::unique_ptr<fb::ParameterPlaceT> place(uint64_t offset) {
  auto table = std::make_unique<fb::ParameterPlaceT>();
  table->offset = offset;
  table->gradient_offset = offset + 128;
  table->state_offsets = {offset + 256};
  return table;
}

std::unique_ptr<fb::BufferT> buffer(fb::BufferRole role, fb::DType type,
                                    std::vector<uint64_t> shape, uint64_t offset) {
  auto table = std::make_unique<fb::BufferT>();
  table->name = fb::EnumNameBufferRole(role);
  table->role = role;
  table->dtype = type;
  table->bytes = 4;
  for (uint64_t extent : shape)
    table->bytes *= extent;
  table->shape = std::move(shape);
  table->offset = offset;
  return table;
}

std::unique_ptr<fb::KernelT> kernel(const char *symbol, uint64_t tiles, uint32_t arguments) {
  auto table = std::make_unique<fb::KernelT>();
  table->symbol = symbol;
  table->kind = "map";
  table->tiles = tiles;
  table->scratch_bytes = 100;
  table->arguments = arguments;
  return table;
}

std::unique_ptr<fb::StageT> stage(uint32_t kernel, std::vector<uint64_t> buffers) {
  auto launch = std::make_unique<fb::LaunchT>();
  launch->kernel = kernel;
  launch->buffers = std::move(buffers);
  launch->label = "w";
  auto table = std::make_unique<fb::StageT>();
  table->launches.push_back(std::move(launch));
  return table;
}

std::unique_ptr<fb::ProgramT> program(fb::ProgramKind kind) {
  auto table = std::make_unique<fb::ProgramT>();
  table->kind = kind;
  table->batch = 4;
  if (kind == fb::ProgramKind::TrainStep)
    table->stages.push_back(stage(0, {0, 128, 512}));
  table->stages.push_back(stage(1, {0, 576}));
  return table;
}

std::unique_ptr<fb::TargetPlanT> targetPlan() {
  using fb::BufferRole;
  using fb::DType;
  auto plan = std::make_unique<fb::TargetPlanT>();
  plan->target = "cpu";
  plan->isa = "baseline";
  plan->code_section = 1;
  plan->arena_bytes = 704;
  plan->places.push_back(place(0));
  plan->places.push_back(place(64));
  plan->buffers.push_back(buffer(BufferRole::Input, DType::F32, {4, 3}, 384));
  plan->buffers.push_back(buffer(BufferRole::Label, DType::I32, {4}, 448));
  plan->buffers.push_back(buffer(BufferRole::Control, DType::F32, {control::Count}, 512));
  plan->buffers.push_back(buffer(BufferRole::Metrics, DType::F32, {metrics::Count}, 576));
  plan->buffers.push_back(buffer(BufferRole::Logits, DType::F32, {4, 2}, 640));
  plan->kernels.push_back(kernel("descend", 6, 3));
  plan->kernels.push_back(kernel("sum_six", 1, 2));
  plan->programs.push_back(program(fb::ProgramKind::TrainStep));
  plan->programs.push_back(program(fb::ProgramKind::EvalStep));
  return plan;
}

} // namespace

fb::ModelT makeModel() {
  fb::ModelT model;
  model.name = "small";
  model.compiler = "test";
  model.input_shape = {3};
  model.classes = 2;
  model.data = std::make_unique<fb::DataT>();
  model.data->name = "none";
  model.data->normalize_mean = {0.5f};
  model.data->normalize_std = {0.25f};
  model.dist = std::make_unique<fb::DistT>();
  model.training = std::make_unique<fb::TrainingT>();
  model.training->batch_size = 4;
  model.optimizer = std::make_unique<fb::OptimizerT>();
  model.optimizer->kind = fb::OptimizerKind::Sgd;
  model.optimizer->momentum = 0.9;
  model.schedule = std::make_unique<fb::ScheduleT>();
  model.schedule->lr = 0.1;
  auto phase = std::make_unique<fb::PhaseT>();
  phase->parameters.push_back(parameter<fb::ParameterT>("w", {2, 3}));
  phase->parameters.push_back(parameter<fb::ParameterT>("b", {2}));
  phase->targets.push_back(targetPlan());
  model.phases.push_back(std::move(phase));
  return model;
}

Bytes pack(const fb::ModelT &model) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishModelBuffer(builder, fb::Model::Pack(builder, &model));
  auto *begin = reinterpret_cast<const std::byte *>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

Bytes makeContainer(const fb::ModelT &model, const Bytes &code) {
  Bytes table = pack(model);
  uint64_t first = container::alignUp(sizeof(container::Header) + 2 * sizeof(container::Row));
  uint64_t second = container::alignUp(first + table.size());
  container::Row rows[] = {{0, 1, first, table.size(), 0, 0}, {1, 2, second, code.size(), 0, 0}};
  container::Header header{container::Magic, FormatVersion, 2, second + code.size(), 0, 0};
  Bytes file(header.fileBytes);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), rows, sizeof(rows));
  std::memcpy(file.data() + first, table.data(), table.size());
  if (!code.empty())
    std::memcpy(file.data() + second, code.data(), code.size());
  reseal(file);
  return file;
}

void reseal(Bytes &file) {
  container::Header header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::vector<container::Row> rows(header.sections);
  size_t tableBytes = rows.size() * sizeof(container::Row);
  std::memcpy(rows.data(), file.data() + sizeof(header), tableBytes);
  for (container::Row &row : rows)
    if (row.offset <= file.size() && row.bytes <= file.size() - row.offset)
      row.checksum = container::checksum({file.data() + row.offset, size_t(row.bytes)});
  header.checksum = container::tableChecksum(header, rows);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), rows.data(), tableBytes);
}

Bytes readBytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  auto *begin = reinterpret_cast<const std::byte *>(text.data());
  return {begin, begin + text.size()};
}

void writeBytes(const std::string &path, const Bytes &bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "danaus-test-XXXXXX").string();
  path = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

size_t TemporaryFolder::entries() const {
  return size_t(std::distance(std::filesystem::directory_iterator(path), {}));
}

} // namespace danaus::test
