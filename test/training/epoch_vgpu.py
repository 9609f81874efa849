#!/usr/bin/env python3
"""One epoch of a spec on the virtual GPU, beside the same on the CPU.

  epoch_vgpu.py SPEC BIN_FOLDER SCRATCH_FOLDER

In fp16 with its loss scale; on the virtual GPU as sm_75, every check on. The accuracies must be those of a model that
has learnt for an epoch, and near each other: sums in another order move them by less than 1.5 %. Without NVRTC the test is skipped (exit code 77).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys


def epoch(danaus, spec, out, *options, environment=None):
    """The row that metrics.jsonl has of the epoch."""
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([danaus, "train", spec, "train.epochs=1", *options[:-2], "--out", out, "--quiet", *options[-2:]],
                   check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    rows = [json.loads(line) for line in open(out / "metrics.jsonl")]
    return next(row for row in rows if "epoch" in row)


def main():
    spec, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    danaus = programs / "danaus"
    listed = json.loads(subprocess.run([danaus, "devices", "--json"], check=True, capture_output=True).stdout)
    if not listed["nvrtc"]["available"]:
        print("skipped:", listed["nvrtc"]["why_not"])
        sys.exit(77)
    scratch.mkdir(parents=True, exist_ok=True)
    gpu = epoch(danaus, spec, scratch / "vgpu", "train.dtype=fp16", "--device", "vgpu",
                environment={"DANAUS_VGPU": "sm_75,seed=3"})
    cpu = epoch(danaus, spec, scratch / "cpu", "train.dtype=fp16", "--device", "cpu")
    print("vgpu", gpu)
    print("cpu ", cpu)
    accuracies = [row["val_accuracy"] for row in (gpu, cpu)]
    if not (min(accuracies) >= 0.72 and abs(accuracies[0] - accuracies[1]) <= 0.015):
        sys.exit("the accuracies are not those of a model that has learnt, or differ")


if __name__ == "__main__":
    main()
