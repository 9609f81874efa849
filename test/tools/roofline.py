#!/usr/bin/env python3
"""The limits of this machine as the tools use them: measured once, kept in a file, and from there on the numbers of the
file alone decide what `danaus summary` predicts and warns of, and what share `danaus profile` shows.

  roofline.py BIN_FOLDER SCRATCH_FOLDER
"""
import csv
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

SPEC = """name: tiny
model:
  input: {shape: [64]}
  layers:
    - linear: {name: wide, out: 256, activation: relu}
    - linear: {name: output, out: 4}
structure:
  - {match: wide, kind: low_rank, rank: 8}
data: {name: npy, dir: .}
train: {batch_size: 512}
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def close(a, b):
    return abs(a - b) <= 1e-4 * max(abs(a), abs(b))


def main():
    programs, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    spec = scratch / "tiny.yaml"
    spec.write_text(SPEC)
    cache = scratch / "cache"

    def danaus(*arguments):
        done = subprocess.run([programs / "danaus", *arguments], capture_output=True, text=True,
                              env={**os.environ, "XDG_CACHE_HOME": str(cache)})
        check(done.returncode == 0, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    danaus("summary", spec)
    files = list(cache.glob("danaus/roofline-*.json"))
    check(len(files) == 1, f"one file of limits: {files}")
    measured = json.loads(files[0].read_text())
    check(all(measured[key] > 1e7 for key in ("flops", "bytes_per_second", "cache_bytes_per_second")), measured)

    def keep(**changes):
        files[0].write_text(json.dumps({**measured, **changes}))

    # 2 * 512 * 2560 FLOP of the factors, 2 * 512 * 16384 of the dense twin; traffic is 4 * 512 * 320 bytes and the weights.
    warning = "predicted to gain less than 10 % of the dense layer's time on cpu: wide"
    keep(flops=1e12, bytes_per_second=1e8)
    slow = danaus("summary", spec)
    check(warning in slow.stderr, f"traffic is all that counts: {slow.stderr}")
    keep(flops=1e9, bytes_per_second=1e15)
    fast = danaus("summary", spec, "--json")
    check("predicted" not in fast.stderr, f"arithmetic is all that counts: {fast.stderr}")
    layer = json.loads(fast.stdout)["layers"][0]
    check(close(layer["predicted_ms"]["cpu"], 3e3 * 2 * 512 * 2560 / 1e9), layer)
    check(close(layer["dense_predicted_ms"]["cpu"], 3e3 * 2 * 512 * 16384 / 1e9), layer)
    keep(flops=1e9, matrix_flops=8e9, bytes_per_second=1e15)
    plan = danaus("profile", spec, "train.dtype=bf16", "--steps", "2", "--json")
    on_unit = json.loads(plan.stdout)["arch"] == "amx"
    layer = json.loads(danaus("summary", spec, "train.dtype=bf16", "--json").stdout)["layers"][0]
    check(close(layer["predicted_ms"]["cpu"], 3e3 * 2 * 512 * 2560 / (8e9 if on_unit else 1e9)), (on_unit, layer))

    # Each kernel by the unit that it uses; its limit is that of all threads together.
    for dtype in ("f32", "bf16"):
        keep(flops=1e9, matrix_flops=8e9, bytes_per_second=1e10)
        profile = json.loads(danaus("profile", spec, f"train.dtype={dtype}", "--steps", "2", "--json").stdout)
        threads, kernels = profile["threads"], profile["kernels"]
        for kernel in kernels:
            check(kernel["matrix_products"] in (1, 6), kernel)
            rate = max(8e9 / kernel["matrix_products"], 1e9 if kernel["matrix_products"] > 1 else 0)
            limit = 1e3 * threads * max((kernel["flops"] - kernel["matrix_flops"]) / 1e9,
                                        kernel["matrix_flops"] / rate, kernel["bytes"] / 1e10)
            check(close(kernel["limit_ms"], limit), f"{kernel}: {limit}")
        used = sum(kernel["matrix_flops"] for kernel in kernels)
        check(dtype == "f32" or (used > 0) == (profile["arch"] == "amx"), f"bf16 on {profile['arch']}: {used}")
        limit = profile["limit"]
        check(limit["from"] == "measured" and limit["flops"] == 1e9 and limit["matrix_flops"] == 8e9, limit)
        names = [each["name"] for each in limit["of_products"]]
        check(("bfloat16 on the matrix unit" in names) == (dtype == "bf16" and used > 0), names)
        check(("float32" in names) == any(kernel["flops"] > kernel["matrix_flops"] for kernel in kernels), names)
        text = danaus("profile", spec, f"train.dtype={dtype}", "--steps", "2").stdout
        check(all(f"GFLOP/s in {name}" in text for name in names), f"{names}: {text}")
        rows = list(csv.DictReader(io.StringIO(
            danaus("profile", spec, f"train.dtype={dtype}", "--steps", "2", "--csv").stdout)))
        for row, kernel in zip(rows, kernels, strict=True):
            check(float(row["limit_ms"]) == kernel["limit_ms"] and int(row["matrix_flops"]) == kernel["matrix_flops"], row)

    # A file from before there were matrix units is measured again.
    files[0].write_text(json.dumps({"flops": 3e9, "bytes_per_second": 2e9}))
    danaus("summary", spec)
    check(json.loads(files[0].read_text()).keys() >= measured.keys(), "measured again")
    print("ok")


if __name__ == "__main__":
    main()
