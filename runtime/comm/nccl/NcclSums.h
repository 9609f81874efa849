// All-reduces, reduce-scatters and all-gathers on GPUs by NCCL, on a stream of their own beside the
// kernels.
#pragma once

#include "runtime/comm/DeviceSums.h"
#include "runtime/comm/nccl/Nccl.h"

namespace danaus {

/// Whether sums of this device can stay on it: a GPU, or a virtual one, and the NCCL for it.
/// DeviceUnavailable says why not.
Expected<std::shared_ptr<Nccl>> ncclFor(Device &device);

/// One rank of `size`; `id` is the same on all, from Nccl::getUniqueId of rank 0. Returns once all
/// ranks are there. PeerFailed where NCCL does not come up.
Expected<std::unique_ptr<DeviceSums>> joinNccl(std::shared_ptr<Nccl> nccl, Device &device,
                                               const danaus_nccl_id &id, unsigned rank,
                                               unsigned size);

} // namespace danaus
