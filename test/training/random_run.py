#!/usr/bin/env python3
"""Trains a spec with dropout, drop path and every augmentation three times.

  random_run.py SPEC BIN_FOLDER SCRATCH_FOLDER

With one thread, with two, and stopped by a signal in the middle and resumed: the losses of all steps and the last
weights must be equal to the bit. The same run with another seed must differ.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time


def rows(run):
    path = run / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    values = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(row["step"], row["loss"]) for row in values if "loss" in row]


def command(programs, model, run, threads, *more):
    return [programs / "danaus", "train", model, "--out", run, "--log-every", "1", "--threads", str(threads),
            "--quiet", *more]


def train(programs, model, run, threads, *more):
    subprocess.run(command(programs, model, run, threads, *more), check=True, stdout=subprocess.DEVNULL)
    return rows(run), (run / "checkpoints/last/model.safetensors").read_bytes()


def stopped_and_resumed(programs, model, run):
    """A run that was stopped after some steps; tried again where it ended before the signal came."""
    for _ in range(5):
        shutil.rmtree(run, ignore_errors=True)
        process = subprocess.Popen(command(programs, model, run, 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(rows(run)) < 3:
            time.sleep(0.001)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        if process.wait() == 75:
            print(f"stopped after step {rows(run)[-1][0]}")
            return train(programs, model, run, 2, "--resume")
    sys.exit("the run always ended before it could be stopped")


def main():
    spec, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    models = {}
    for name, overrides in {"model": [], "seed": ["seed=2"]}.items():
        models[name] = scratch / f"{name}.dnb"
        subprocess.run([programs / "danausc", spec, *overrides, "-o", models[name]], check=True)
    wanted = train(programs, models["model"], scratch / "one", 1)
    if len(wanted[0]) != 120:
        sys.exit(f"{len(wanted[0])} steps logged, 120 expected")
    others = {"two threads": train(programs, models["model"], scratch / "two", 2),
              "stopped and resumed": stopped_and_resumed(programs, models["model"], scratch / "resumed")}
    for name, got in others.items():
        if got[0] != wanted[0]:
            step = next((a for a, b in zip(wanted[0], got[0]) if a != b), "the end")
            sys.exit(f"{name}: losses differ from those of one thread from {step} on")
        if got[1] != wanted[1]:
            sys.exit(f"{name}: the last weights differ from those of one thread")
        print(f"{name}: equal to one thread in every step")
    if train(programs, models["seed"], scratch / "seed", 2)[0] == wanted[0]:
        sys.exit("another seed gave the same losses")


if __name__ == "__main__":
    main()
