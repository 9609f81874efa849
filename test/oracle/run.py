#!/usr/bin/env python3
"""Trains an oracle case and compares the loss of every step with PyTorch's.

  run.py CASE_FOLDER BIN_FOLDER SCRATCH_FOLDER

For each instruction set of this machine, with one and with two threads: every step within 1e-4
relative, and the losses of one and two threads equal to the digit.
"""
import json
import pathlib
import shutil
import subprocess
import sys

TOLERANCE = 1e-4


def instruction_sets():
    flags = set()
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            flags = set(line.split())
            break
    yield "baseline"
    if {"avx2", "fma"} <= flags:
        yield "avx2"
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        yield "avx512"


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
    for isa in instruction_sets():
        binary = scratch / f"{case.name}.{isa}.dnb"
        subprocess.run([programs / "danausc", case / "spec.yaml", "-o", binary, "--target", f"cpu:{isa}"], check=True)
        one, two = (losses(programs / "danaus", binary, scratch / f"{case.name}.{isa}.{n}", n) for n in (1, 2))
        if len(one) != len(expected):
            sys.exit(f"{case.name} {isa}: {len(one)} steps logged, {len(expected)} expected")
        if one != two:
            sys.exit(f"{case.name} {isa}: one and two threads differ:\n{one}\n{two}")
        for step, (got, wanted) in enumerate(zip(one, expected), 1):
            if not abs(got - wanted) <= TOLERANCE * abs(wanted):
                print(f"{case.name} {isa}: step {step}: loss {got}, expected {wanted}")
                failed = True
        worst = max(abs(got - wanted) / abs(wanted) for got, wanted in zip(one, expected))
        print(f"{case.name} {isa}: largest relative difference {worst:.2e} over {len(one)} steps")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
