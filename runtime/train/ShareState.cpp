// See ShareState.h.
#include "runtime/train/ShareState.h"

#include "runtime/run/Manifest.h"

#include <algorithm>
#include <vector>

namespace danaus {

/// The length first: only rank 0 knows it.
Status shareManifest(Communicator &ranks, CheckpointManifest &manifest) {
  if (ranks.isAlone())
    return Status::ok();
  std::string text;
  if (ranks.isFirst()) {
    auto written = manifestText({manifest, {}, {}});
    if (!written)
      return written.takeError();
    text = std::move(*written);
  }
  uint64_t length = text.size();
  if (Status status = ranks.broadcast(std::as_writable_bytes(std::span(&length, 1))); !status)
    return status;
  text.resize(length);
  if (Status status = ranks.broadcast(std::as_writable_bytes(std::span(text))); !status)
    return status;
  auto parsed = parseManifest(text, "the manifest of rank 0");
  if (!parsed)
    return parsed.takeError();
  manifest = std::move(parsed->manifest);
  return Status::ok();
}

Status shareParameters(Executor &executor) {
  Communicator &ranks = executor.ranks();
  if (ranks.isAlone())
    return Status::ok();
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (Status status = ranks.broadcast(std::as_writable_bytes(executor.parameter(i))); !status)
      return status;
  return Status::ok();
}

Status shareState(Executor &executor, const StateReader &read) {
  Communicator &ranks = executor.ranks();
  std::vector<float> whole; // of a tensor of which this rank has a share
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (size_t slot = 0; slot < executor.stateCount(); ++slot) {
      std::span<float> own = executor.state(i, slot), into = own;
      if (executor.isSharded()) {
        whole.resize(elementCount(executor.parameterInfo(i)));
        into = whole;
      }
      Status status = ranks.isFirst() ? read(i, slot, into) : Status::ok();
      if (status && !ranks.isAlone())
        status = ranks.broadcast(std::as_writable_bytes(into));
      if (!status)
        return status;
      if (executor.isSharded())
        std::ranges::copy(into.subspan(executor.shareOf(i, ranks.rank()).first, own.size()),
                          own.begin());
    }
  return Status::ok();
}

} // namespace danaus
