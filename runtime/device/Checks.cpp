// The checks that are the same on every device.
#include "runtime/device/Checks.h"

#include "runtime/plan/KernelAbi.h"

namespace danaus {

static Status checkLaunch(const ProgramSpec &program, const LaunchSpec &launch,
                          uint64_t arenaBytes) {
  if (launch.kernel >= program.kernels.size())
    return Error(ExitCode::CheckpointInvalid,
                 format("a launch of kernel %u, but there are only %zu", launch.kernel,
                        program.kernels.size()));
  const KernelSpec &kernel = program.kernels[launch.kernel];
  if (launch.buffers.size() != kernel.arguments)
    return Error(ExitCode::CheckpointInvalid,
                 format("kernel %s takes %u buffers, a launch has %zu", kernel.symbol.c_str(),
                        kernel.arguments, launch.buffers.size()));
  for (uint64_t offset : launch.buffers)
    if (offset >= arenaBytes || offset % ArenaAlignment != 0)
      return Error(ExitCode::CheckpointInvalid,
                   format("kernel %s gets offset %zu: outside the arena of %zu bytes or not "
                          "aligned to %zu",
                          kernel.symbol.c_str(), size_t(offset), size_t(arenaBytes),
                          size_t(ArenaAlignment)));
  return Status::ok();
}

Status checkProgram(const ProgramSpec &program, uint64_t arenaBytes) {
  for (const KernelSpec &kernel : program.kernels)
    if (kernel.tiles == 0)
      return Error(ExitCode::CheckpointInvalid,
                   "kernel " + kernel.symbol + " has no tiles: it would do nothing");
  for (const std::vector<LaunchSpec> &stage : program.stages)
    for (const LaunchSpec &launch : stage)
      if (Status status = checkLaunch(program, launch, arenaBytes); !status)
        return status;
  return Status::ok();
}

Status checkCopy(uint64_t arenaBytes, uint64_t offset, uint64_t bytes) {
  if (bytes <= arenaBytes && offset <= arenaBytes - bytes)
    return Status::ok();
  return Error(ExitCode::Internal,
               format("a copy of %zu bytes at offset %zu leaves the arena of %zu bytes",
                      size_t(bytes), size_t(offset), size_t(arenaBytes)));
}

std::string formatBytes(uint64_t bytes) {
  const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = double(bytes);
  int unit = 0;
  for (; value >= 1024; ++unit)
    value /= 1024;
  return unit == 0 ? format("%u bytes", unsigned(bytes)) : format("%.1f %s", value, units[unit]);
}

} // namespace danaus
