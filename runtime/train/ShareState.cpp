// See ShareState.h.
#include "runtime/train/ShareState.h"

#include "runtime/train/Manifest.h"

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

Status shareState(Executor &executor, StateParts parts) {
  Communicator &ranks = executor.ranks();
  if (ranks.isAlone())
    return Status::ok();
  size_t states = parts == StateParts::Parameters ? 0 : executor.stateCount();
  for (size_t i = 0; i < executor.parameterCount(); ++i) {
    if (Status status = ranks.broadcast(std::as_writable_bytes(executor.parameter(i))); !status)
      return status;
    for (size_t slot = 0; slot < states; ++slot)
      if (Status status = ranks.broadcast(std::as_writable_bytes(executor.state(i, slot))); !status)
        return status;
  }
  return Status::ok();
}

} // namespace danaus
