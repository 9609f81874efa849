#!/usr/bin/env python3
"""Trains an oracle case and compares the loss of every step with PyTorch's.

  run.py CASE_FOLDER BIN_FOLDER SCRATCH_FOLDER [cpu | vgpu | cuda]

For each instruction set of this machine, with one and with two threads: every step within 1e-4
relative, and the losses of one and two threads equal to the digit. Then the same with
train.dtype=bf16, on the best instruction set that emulates it and on the matrix unit, where there is
one. A bfloat16 operand is wrong by 2^-9 at most, a product of two by 2^-8, and a loss of order one by
a few of these: every step within 2^-6 relative. With fp16, which has 3 bits more, within 2^-7: Adam makes much of small gradients.

With vgpu: the same on the virtual GPU, as sm_75 in f32 and fp16 and as sm_80 in bf16, with warps and blocks in a random
order; in f32 also in the order of their numbers, with equal losses. A check of the virtual GPU that finds something fails
the run. With cuda: on this machine's GPU, compiled for it. Without NVRTC, or without a GPU, the test is skipped
(exit code 77).
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOLERANCE = {"f32": 1e-4, "bf16": 2.0**-6, "fp16": 2.0**-7}


def expected(case):
    """PyTorch's loss of each step."""
    return json.load(open(case / "expected.json"))["loss"]


def instruction_sets():
    """Pairs of a type and an instruction set."""
    flags = set()
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            flags = set(line.split())
            break
    names = ["baseline"]
    if {"avx2", "fma"} <= flags:
        names.append("avx2")
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        names.append("avx512")
    pairs = [("f32", name) for name in names] + [("bf16", names[-1]), ("fp16", names[-1])]
    if {"avx512_bf16", "amx_tile", "amx_bf16"} <= flags:
        pairs += [("f32", "amx"), ("bf16", "amx")]
    return pairs


def losses(danaus, binary, out, *options, environment=None):
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([danaus, "train", binary, "--out", out, "--log-every", "1", "--quiet", *options], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    rows = [json.loads(line) for line in open(out / "metrics.jsonl")]
    return [row["loss"] for row in rows if "loss" in row]


def runs_on_cpu(case, programs, scratch):
    """Triples of a name, a type and the losses of two ways to run the case."""
    for dtype, isa in instruction_sets():
        name = f"{case.name}.{dtype}.{isa}"
        binary = scratch / f"{name}.dnb"
        subprocess.run([programs / "danausc", case / "spec.yaml", f"train.dtype={dtype}", "-o", binary,
                        "--target", f"cpu:{isa}"], check=True)
        one, two = (losses(programs / "danaus", binary, scratch / f"{name}.{n}", "--threads", str(n))
                    for n in (1, 2))
        yield name, dtype, one, two


def validation_of(case):
    """data.validation of the case's spec."""
    found = re.search(r"validation: (\d+)", (case / "spec.yaml").read_text())
    return int(found.group(1)) if found else 0


def trained_on(case):
    """Images that the case trains on: the first, as nothing is shuffled."""
    return 60000 - (validation_of(case) or 32)


def small_options(case, data):
    return [f"data.dir={data}"] + (["data.validation=32"] if validation_of(case) else [])


def small_data_set(case, scratch):
    """A folder with the data set of the case, but only 32 images to test with, and of those that no step of a case trains
    on only 32 to validate with: evaluation is not what is tested."""
    folders = [pathlib.Path("/usr/share/datasets/fashion-mnist")]
    source = next((folder for folder in folders if folder.is_dir()), None)
    if source is None:
        sys.exit("the package dataset-fashion-mnist is not installed")
    folder = scratch / "data"
    folder.mkdir(exist_ok=True)
    for path in source.glob("*ubyte.gz"):
        content = gzip.open(path).read()
        count = 32 if path.name.startswith("t10k") else trained_on(case) + 32
        header, image = (16, 28 * 28) if "images" in path.name else (8, 1)
        content = content[:4] + count.to_bytes(4, "big") + content[8:header + count * image]
        (folder / path.stem).write_bytes(content)
    return folder


def runs_on_vgpu(case, programs, scratch):
    data = small_data_set(case, scratch)
    # The virtual GPU interprets every instruction: of the large cases the first steps will do.
    steps = {"vit": 2, "mixer": 3}.get(case.name, len(expected(case)))
    for dtype, arch in (("f32", "sm_75"), ("bf16", "sm_80"), ("fp16", "sm_75")):
        name = f"{case.name}.{dtype}.{arch}"
        binary = scratch / f"{name}.dnb"
        subprocess.run([programs / "danausc", case / "spec.yaml", f"train.dtype={dtype}", *small_options(case, data),
                        f"train.max_steps={steps}", "-o", binary, "--target", f"cuda:{arch}"], check=True)
        seeds = (0, 7) if steps >= 20 and dtype == "f32" else (7,)
        runs = [losses(programs / "danaus", binary, scratch / f"{name}.{seed}", "--device", "vgpu",
                       environment={"DANAUS_VGPU": f"{arch},seed={seed}"}) for seed in seeds]
        yield name, dtype, runs[0], runs[-1]


def runs_on_gpu(case, programs, scratch):
    data = small_data_set(case, scratch)
    for dtype in ("f32", "bf16", "fp16"):
        name = f"{case.name}.{dtype}.cuda"
        options = [f"train.dtype={dtype}", *small_options(case, data)]
        one, two = (losses(programs / "danaus", case / "spec.yaml", scratch / f"{name}.{number}", *options,
                           "--device", "cuda") for number in (1, 2))
        yield name, dtype, one, two


def why_skipped(programs, device):
    """Why the test cannot run here; None where it can."""
    if device == "cpu":
        return None
    listed = json.loads(subprocess.run([programs / "danaus", "devices", "--json"], check=True,
                                       capture_output=True).stdout)
    rows = [listed["nvrtc"]] + [row for row in listed["devices"] if row["name"] == device]
    return next((row["why_not"] for row in rows if not row["available"]), None)


def main():
    case, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    device = sys.argv[4] if len(sys.argv) > 4 else "cpu"
    if reason := why_skipped(programs, device):
        print("skipped:", reason)
        sys.exit(77)
    wanted_losses = expected(case)
    scratch.mkdir(parents=True, exist_ok=True)
    failed = False
    ways = {"cpu": runs_on_cpu, "vgpu": runs_on_vgpu, "cuda": runs_on_gpu}
    for name, dtype, one, two in ways[device](case, programs, scratch):
        if not 1 < len(one) <= len(wanted_losses) or (device != "vgpu" and len(one) != len(wanted_losses)):
            sys.exit(f"{name}: {len(one)} steps logged, {len(wanted_losses)} expected")
        if one != two:
            sys.exit(f"{name}: two runs differ:\n{one}\n{two}")
        for step, (got, wanted) in enumerate(zip(one, wanted_losses), 1):
            if not abs(got - wanted) <= TOLERANCE[dtype] * abs(wanted):
                print(f"{name}: step {step}: loss {got}, expected {wanted}")
                failed = True
        worst = max(abs(got - wanted) / abs(wanted) for got, wanted in zip(one, wanted_losses))
        print(f"{name}: largest relative difference {worst:.2e} over {len(one)} steps")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
