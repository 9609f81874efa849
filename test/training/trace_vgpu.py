#!/usr/bin/env python3
"""Kernels, copies and all-reduces of virtual GPUs in traces, by CUPTI's interface and by CUDA events.

  trace_vgpu.py BIN_FOLDER SCRATCH_FOLDER [cuda]

With `cuda` on a real GPU, by whichever there is. Without it, or without NVRTC, the test is skipped (exit code 77).
"""
import json
import pathlib
import shutil
import subprocess
import sys

from ranks_vgpu import SPEC, make_data
from trace_run import SLACK, call, check, of_kind, read


def inside(event, steps):
    return any(step["ts"] - SLACK <= event["ts"] and event["ts"] + event["dur"] <= step["ts"] + step["dur"] + SLACK
               for step in steps)


def gpu_spans(spans, rank):
    """The tracks of a rank's GPU, by what they are for; ranks of the virtual GPU have their own GPU 0 or a number of it."""
    found = {}
    for (owner, name), events in spans.items():
        if owner == rank and name.startswith("GPU "):
            found.setdefault(name.split(": ")[1].split(" (")[0], []).extend(events)
    return found


def run(danaus, spec, folder, vgpu, ranks, device="vgpu"):
    words = [danaus, "train", spec, "profile={trace: true, steps: 2}", "train.max_steps=3", "train.epochs=1", "--device", device,
             "--out", folder]
    done = call(*words, *(["--nproc", ranks] if ranks > 1 else []), env={"DANAUS_VGPU": vgpu})
    spans, totals = read(folder / "trace.json")
    check("times of the GPU by " + totals["device_times"] in done.stderr, f"the user is not told: {done.stderr}")
    return spans, totals


def kernels_of(spans, rank):
    steps = of_kind(spans[rank, "main"], "step")
    check(len(steps) == 2, steps)
    gpu = gpu_spans(spans, rank)
    kernels = of_kind(gpu["kernels"], "kernel")
    check(kernels and all(inside(event, steps) for event in kernels), f"kernels outside of steps: {kernels[:3]}")
    check(any("middle" in event["name"] for event in kernels), "kernels have the names of layers")
    check(of_kind(gpu["input copies"], "copy"), f"no copies of inputs: {gpu}")
    check(of_kind(spans[rank, "main"], "launch"), "launches of the host")
    check(any(event["name"] == "wait for the GPU" for event in of_kind(spans[rank, "main"], "wait")), "waits for the GPU")
    return gpu, kernels


def main():
    programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:3])
    listed = json.loads(subprocess.run([programs / "danaus", "devices", "--json"], check=True, capture_output=True).stdout)
    device = sys.argv[3] if len(sys.argv) > 3 else "vgpu"
    needed = [listed["nvrtc"], *(row for row in listed["devices"] if row["name"] == device)]
    for row in needed:
        if not row["available"]:
            print("skipped:", row["why_not"])
            sys.exit(77)
    shutil.rmtree(scratch, ignore_errors=True)
    make_data(scratch / "data")
    spec = scratch / "small.yaml"
    spec.write_text(SPEC.replace("dir: data", f"dir: {scratch / 'data'}"))
    danaus = programs / "danaus"

    if device == "cuda":
        spans, totals = run(danaus, spec, scratch / "gpu", "", 1, device)
        check(totals["device_times"].startswith(("CUPTI ", "CUDA events: ")), totals)
        print(totals, len(kernels_of(spans, 0)[1]), "kernels")
        return

    spans, totals = run(danaus, spec, scratch / "cupti", "sm_80", 1)
    check(totals["device_times"] == "CUPTI 13.0", totals)
    _, by_cupti = kernels_of(spans, 0)
    spans, totals = run(danaus, spec, scratch / "events", "sm_80,no-cupti", 1)
    check(totals["device_times"].startswith("CUDA events: CUPTI, beginning to record: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES")
          and "NVreg_RestrictProfilingToAdminUsers=0" in totals["device_times"], totals)
    _, by_events = kernels_of(spans, 0)
    check(len(by_cupti) == len(by_events), f"{len(by_cupti)} kernels by CUPTI, {len(by_events)} by events")
    check(totals["exposed_communication_ms_per_step"] == 0, "a wait for the GPU is no communication")

    for vgpu in ("sm_80,devices=2", "sm_80,devices=2,no-cupti"):
        spans, totals = run(danaus, spec, scratch / vgpu, vgpu, 2)
        for rank in (0, 1):
            gpu, _ = kernels_of(spans, rank)
            check(gpu.get("NCCL"), f"rank {rank} of {vgpu}: no track of NCCL: {list(gpu)}")
            if "no-cupti" in vgpu:
                sums = of_kind(gpu["NCCL"], "communication")
                check(sums and all(event["name"].startswith("all-reduce") for event in sums), gpu["NCCL"])
                exposed, all_of_it = totals["exposed_communication_ms_per_step"], totals["communication_ms_per_step"]
                check(0 < exposed <= 1.001 * all_of_it, totals)  # nothing runs beside anything on virtual GPUs
                check(exposed >= 0.9 * all_of_it, totals)


if __name__ == "__main__":
    main()
