#!/usr/bin/env python3
"""Trains an oracle case and compares the loss of every step with PyTorch's.

  run.py CASE_FOLDER BIN_FOLDER SCRATCH_FOLDER

For each instruction set of this machine, with one and with two threads: every step within 1e-4
relative, and the losses of one and two threads equal to the digit. Then the same with
train.dtype=bf16, on the best instruction set that emulates it and on the matrix unit, where there is
one. A bfloat16 operand is wrong by 2^-9 at most, a product of two by 2^-8, and a loss of order one by
a few of these: every step within 2^-6 relative.
"""
import json
import pathlib
import shutil
import subprocess
import sys

TOLERANCE = {"f32": 1e-4, "bf16": 2.0**-6}


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
    pairs = [("f32", name) for name in names] + [("bf16", names[-1])]
    if {"avx512_bf16", "amx_tile", "amx_bf16"} <= flags:
        pairs.append(("bf16", "amx"))
    return pairs


def losses(danaus, binary, out, threads):
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([danaus, "train", binary, "--out", out, "--log-every", "1", "--threads", str(threads)],
                   check=True, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in open(out / "metrics.jsonl")]
    return [row["loss"] for row in rows if "loss" in row]


def main():
    case, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    expected = json.load(open(case / "expected.json"))["loss"]
    scratch.mkdir(parents=True, exist_ok=True)
    failed = False
    for dtype, isa in instruction_sets():
        name = f"{case.name}.{dtype}.{isa}"
        binary = scratch / f"{name}.dnb"
        subprocess.run([programs / "danausc", case / "spec.yaml", f"train.dtype={dtype}", "-o", binary,
                        "--target", f"cpu:{isa}"], check=True)
        one, two = (losses(programs / "danaus", binary, scratch / f"{name}.{n}", n) for n in (1, 2))
        if len(one) != len(expected):
            sys.exit(f"{name}: {len(one)} steps logged, {len(expected)} expected")
        if one != two:
            sys.exit(f"{name}: one and two threads differ:\n{one}\n{two}")
        for step, (got, wanted) in enumerate(zip(one, expected), 1):
            if not abs(got - wanted) <= TOLERANCE[dtype] * abs(wanted):
                print(f"{name}: step {step}: loss {got}, expected {wanted}")
                failed = True
        worst = max(abs(got - wanted) / abs(wanted) for got, wanted in zip(one, expected))
        print(f"{name}: largest relative difference {worst:.2e} over {len(one)} steps")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
