#!/usr/bin/env python3
"""danaus profile on the virtual GPU: JSON, CSV and table of one model say the same, and what is exact is exact.

  profile_vgpu.py BIN_FOLDER SCRATCH_FOLDER

Without NVRTC the test is skipped (exit code 77).
"""
import csv
import io
import json
import os
import pathlib
import subprocess
import sys

SPEC = """name: m
model:
  input: {shape: [64]}
  layers:
    - linear: {name: fc, out: 128}
    - linear: {name: head, out: 10}
structure:
  - {match: fc, kind: monarch, nblocks: 4}
data: {name: npy, dir: .}
train: {batch_size: 96, dtype: DTYPE}
optimizer: {type: sgd, lr: 0.1}
"""


def profile(programs, spec, *options, sm="sm_80"):
    run = subprocess.run([programs / "danaus", "profile", spec, "--device", "vgpu", *options], check=True,
                         capture_output=True, text=True, env={**os.environ, "DANAUS_VGPU": sm})
    return run.stdout


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def main():
    programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:3])
    listed = json.loads(subprocess.run([programs / "danaus", "devices", "--json"], check=True,
                                       capture_output=True).stdout)
    if not listed["nvrtc"]["available"]:
        print("skipped:", listed["nvrtc"]["why_not"])
        sys.exit(77)
    scratch.mkdir(parents=True, exist_ok=True)
    spec = scratch / "m.yaml"
    spec.write_text(SPEC.replace("DTYPE", "bf16"))

    once = json.loads(profile(programs, spec, "--json"))
    check(once["device"] == "vgpu" and once["arch"] == "sm_80" and once["batch"] == 96 and once["steps"] == 1, once)
    kernels = {kernel["kernel"]: kernel for kernel in once["kernels"]}
    for kernel in kernels.values():
        check(kernel["counted_launches"] == kernel["launches"] > 0, kernel)
        check(kernel["thread_instructions"] >= kernel["warp_instructions"] > 0, kernel)
        check(kernel["global_sectors"] >= kernel["ideal_global_sectors"] > 0, kernel)
        check(kernel["spill_bytes"] == 0 and kernel["registers"] > 0, kernel)
        check(set(kernel["predicted"]) == {"A100", "H100"}, "sm_80 code is not for older GPUs")
        check(all(time["us"] >= 2 for time in kernel["predicted"].values()), kernel)
    # Forward, the gradients of all weights, and those of what lies between head and fc and between its factors, 4
    # blocks of 16 x 16 and of 32 x 16. A tile that ends outside multiplies zeros too.
    first, second, head = 4 * 16 * 16, 4 * 32 * 16, 128 * 10
    macs = 96 * (2 * first + 3 * second + 3 * head)
    flops = sum(kernel["tensor_flops"] for kernel in kernels.values())
    check(flops >= 2 * macs, f"{flops} products of tensor cores, {2 * macs} in the model")
    check(any("fc" in layer for kernel in kernels.values() for layer in kernel["layers"]), "layers are named")
    check(any(5 in kernel["lines"] for kernel in kernels.values()), "lines are named")

    check(once["times_by"] == "CUDA events" and once["counters"] is None, once["times_by"])
    trace = scratch / "trace.json"
    run = subprocess.run([programs / "danaus", "profile", spec, "--device", "vgpu", "--json", "--trace", trace, "--force"],
                         check=True, capture_output=True, text=True)
    check("times of the GPU by CUPTI 13.0" in run.stderr, run.stderr)
    spans = [event for event in json.loads(trace.read_text())["traceEvents"] if event.get("cat") == "kernel"]
    check(len(spans) == sum(kernel["launches"] for kernel in kernels.values()), f"{len(spans)} kernels in the trace")

    # Counts do not depend on how often, and are the same in every order of blocks and warps.
    thrice = json.loads(profile(programs, spec, "--json", "--steps", "3", sm="sm_80,seed=5"))
    check(thrice["steps"] == 3, thrice["steps"])
    for kernel in thrice["kernels"]:
        for key in ("warp_instructions", "global_sectors", "shared_waves", "unique_read_bytes", "tensor_flops"):
            check(kernel[key] == 3 * kernels[kernel["kernel"]][key], f"{kernel['kernel']}: {key} of 3 steps")

    # A page has the times that are predicted for the GPU of the architecture, under the limits of its data sheet.
    check(once["limit"]["from"] == "data sheet of an A100" and once["time"] is None, once["limit"])
    check([each["name"] for each in once["limit"]["of_products"]] == ["bfloat16 on tensor cores"], once["limit"])
    profile(programs, spec, "--report", scratch / "x.html", "--force")
    page = (scratch / "x.html").read_text()
    check("predicted for an A100 from exact counts" in page and "limits by the data sheet of an A100" in page, page[-2000:])
    chart = json.loads(page.split("id=data>")[1].split("</script>")[0])["rooflines"][0]
    check([roof["name"] for roof in chart["roofs"]] == ["bfloat16 on tensor cores", "second-level cache"], chart["roofs"])
    check(chart["roofs"][0]["flops"] == 312e12 and chart["roofs"][0]["bytes_per_second"] == 2.039e12, chart["roofs"])
    for point in chart["kernels"]:
        kernel = kernels[point["name"]]
        rate = 1e-3 * kernel["flops"] / kernel["predicted"]["A100"]["us"]  # GFLOP/s
        check(abs(point["y"] - rate) <= 1e-4 * rate, f"{point}, {kernel}")
        check(abs(point["x"] * kernel["bytes"] - kernel["flops"]) <= 1e-6 * kernel["flops"], f"{point}, {kernel}")
    check(len(chart["kernels"]) == sum(kernel["flops"] > 0 for kernel in kernels.values()) > 0, chart)

    rows = list(csv.DictReader(io.StringIO(profile(programs, spec, "--csv"))))
    check(len(rows) == len(kernels), "a row for each kernel")
    for row in rows:
        own = kernels[row["kernel"]]
        check(int(row["global_sectors"]) == own["global_sectors"], row)
        check(float(row["predicted_us_H100"]) == own["predicted"]["H100"]["us"], row)

    table = profile(programs, spec)
    check(all(name in table for name in kernels) and "predicted" in table, table)
    # A GPU whose data sheet is not known has no limit, and a page all the same.
    other = json.loads(profile(programs, spec, "--json", "--report", scratch / "y.html", "--force", sm="sm_86"))
    check("limit" not in other and "limit_ms" not in other["kernels"][0], other)
    check("Roofline: arithmetic and traffic of each kernel<" in (scratch / "y.html").read_text(), "a roofline without limits")
    # Older GPUs run older code, here with products in float16.
    spec.write_text(SPEC.replace("DTYPE", "fp16"))
    older = json.loads(profile(programs, spec, "--json", "--forward", sm="sm_75"))
    check(older["step"] == "evaluation" and set(older["kernels"][0]["predicted"]) == {"T4", "A100", "H100"}, older)
    check(sum(kernel["tensor_flops"] for kernel in older["kernels"]) > 0, "no products on tensor cores of sm_75")
    # Without tensor cores the same code stands for a V100's.
    spec.write_text(SPEC.replace("DTYPE", "f32"))
    plain = json.loads(profile(programs, spec, "--json", "--forward", sm="sm_75"))
    check(set(plain["kernels"][0]["predicted"]) == {"T4", "V100", "A100", "H100"}, plain)


if __name__ == "__main__":
    main()
