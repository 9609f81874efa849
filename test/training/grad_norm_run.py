#!/usr/bin/env python3
"""The norm of the gradient in metrics.jsonl, computed beside the program, is that which the program computes where it clips;
it costs no bit of the training.

  grad_norm_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

A clipping that never happens (train.clip_grad_norm=1e30) makes the same updates, and its program computes the norm.
"""
import pathlib
import shutil
import subprocess
import sys

from ranks_run import SGD, SHORT, Jobs, check

NEVER = "train.clip_grad_norm=1.0e30"
SHARDED = "dist.sharded=true"


def norms(jobs, name, kind="loss"):
    return [(row["step"], row["grad_norm"]) for row in jobs.rows(name) if kind in row and "grad_norm" in row]


def close(mine, theirs, tolerance, what):
    check([step for step, _ in mine] == [step for step, _ in theirs] and mine, f"{what}: steps of {mine}, {theirs}")
    for (step, a), (_, b) in zip(mine, theirs):
        check(abs(a - b) <= tolerance * b, f"{what}, step {step}: {a} and {b}")


def main():
    models, programs, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    jobs, spec = Jobs(programs, scratch), models / "mnist_mlp_low_rank.yaml"
    for name, more in (("plain", []), ("accumulated", ["train.accumulate=4"]), ("sgd", [SGD]), ("half", ["train.dtype=bf16"])):
        overrides = [*SHORT, *more]
        jobs.train(spec, name, overrides, 1)
        jobs.train(spec, f"{name}-clipped", [*overrides, NEVER], 1)
        check(jobs.weights(name) == jobs.weights(f"{name}-clipped"), f"{name}: clipping that never happens changes something")
        check(len(norms(jobs, name)) == 24, f"{name}: a norm of each step")
        close(norms(jobs, name), norms(jobs, f"{name}-clipped"), 1e-5, name)
        close(norms(jobs, name, "val_loss"), norms(jobs, f"{name}-clipped", "val_loss"), 1e-5, f"{name}, the epoch")
        check(norms(jobs, name, "val_loss") == norms(jobs, name)[-1:], f"{name}: an epoch's norm is that of its last step")

    # Logged or not, with any number of threads: the same weights and norms.
    jobs.train(spec, "threads", SHORT, 1, "--threads", 1)
    check(norms(jobs, "threads") == norms(jobs, "plain"), "norms depend on threads")
    subprocess.run([programs / "danaus", "train", spec, *SHORT, "--out", scratch / "unlogged", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    check(jobs.weights("unlogged") == jobs.weights("plain"), "logging changes the training")
    check(norms(jobs, "unlogged") == [] and norms(jobs, "unlogged", "val_loss") == norms(jobs, "plain")[-1:], "epochs alone")
    jobs.train(spec, "fp16", [*SHORT, "train.dtype=fp16"], 1)
    close(norms(jobs, "fp16"), norms(jobs, "plain"), 0.05, "float16, of whose scale nothing is seen")

    # Ranks: where they share updates, each has the gradient of its part, and only the end of an epoch has the norm.
    jobs.train(spec, "ranks", [*SHORT, SGD], 3)
    close(norms(jobs, "ranks"), norms(jobs, "sgd"), 1e-4, "three ranks")
    jobs.train(spec, "sharded", [*SHORT, SGD, SHARDED], 3)
    close(norms(jobs, "sharded"), norms(jobs, "sgd")[-1:], 1e-4, "shared updates")
    close(norms(jobs, "sharded", "val_loss"), norms(jobs, "sgd")[-1:], 1e-4, "shared updates, the epoch")
    print("ok")


if __name__ == "__main__":
    main()
