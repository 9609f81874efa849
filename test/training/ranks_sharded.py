#!/usr/bin/env python3
"""Several processes of which each updates its part of the parameters and holds the optimizer's state of it alone.

  ranks_sharded.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

The same bits as with whole updates where the order of additions is the same, else the same losses, whatever a spec asks for.
Checkpoints are whole: runs go on with other numbers of ranks, sharded or not. Plans are smaller by what others hold.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from ranks_run import SGD, SHORT, Jobs, check

SHARDED = "dist.sharded=true"
ADAMW = "optimizer={type: adamw, lr: 1.0e-3, weight_decay: 0.1}"


def saved(jobs, name):
    folder = jobs.scratch / name / "checkpoints"
    return [(folder / slot / file).read_bytes() for slot in ("last", "best") for file in ("model.safetensors", "state.safetensors")]


def equal_to_whole_updates(jobs, models):
    """Adds up in the order of the ranks with or without: not a bit differs, in the parameters nor in Adam's moments."""
    mlp, vit = models / "mnist_mlp_low_rank.yaml", models / "fashion_vit_tiny_monarch.yaml"
    cases = [("adam", mlp, SHORT, (2, 3, 4)),
             ("decay", mlp, [*SHORT, ADAMW, "dist.bucket_mb=1"], (2,)),
             ("average", mlp, [*SHORT, SGD, "train.ema=0.9"], (3,)),
             ("accumulate", mlp, [*SHORT, SGD, "train.accumulate=4"], (2,)),
             ("bf16", mlp, [*SHORT, "train.dtype=bf16"], (2,)),
             ("plain", mlp, [*SHORT, "optimizer={type: sgd, lr: 0.05}"], (2,)),
             ("tokens", vit, [*SHORT, ADAMW, "train.max_steps=3", "train.ema=0.9"], (3,)),
             ("more ranks than rows", mlp, [*SHORT, "train.batch_size=3", "train.max_steps=20"], (5,))]
    for name, spec, overrides, counts in cases:
        for count in counts:
            jobs.train(spec, f"{name}-whole-{count}", overrides, count)
            jobs.train(spec, f"{name}-{count}", [*overrides, SHARDED], count)
            check(jobs.losses(f"{name}-{count}") == jobs.losses(f"{name}-whole-{count}") != [], f"{name}, {count} ranks: losses")
            check(saved(jobs, f"{name}-{count}") == saved(jobs, f"{name}-whole-{count}"), f"{name}, {count} ranks: checkpoints")


def equal_losses(jobs, models):
    """Where the norm of all gradients is added up in parts, and where Gloo's ring adds up."""
    spec, phases = models / "mnist_mlp_low_rank.yaml", models / "mnist_mlp_pufferfish.yaml"
    borders = ["data.validation=59000", SGD, "train.ema=0.9", "train.phases.0.epochs=1", "train.phases.1.epochs=1"]
    cases = [("clipped", spec, [*SHORT, SGD, "train.clip_grad_norm=0.5", "train.accumulate=2"], (2, 3)),
             ("fp16", spec, [*SHORT, SGD, "train.dtype=fp16"], (3,)),
             ("gloo", spec, [*SHORT, SGD, "train.clip_grad_norm=0.5", "train.ema=0.9", "dist.backend=gloo"], (2, 3)),
             ("reset", phases, borders, (2,)),
             ("project", phases, [*borders, "train.phases.1.optimizer_state=project"], (2,))]
    for name, spec, overrides, counts in cases:
        jobs.train(spec, f"{name}-1", overrides, 1)
        for count in counts:
            jobs.train(spec, f"{name}-{count}", [*overrides, SHARDED], count)
            jobs.same(f"{name}-1", f"{name}-{count}", f"{name}, {count} ranks")
    jobs.train(models / "mnist_mlp_low_rank.yaml", "again", [*cases[0][2], SHARDED], 3)
    check(saved(jobs, "again") == saved(jobs, "clipped-3"), "the same number of ranks makes the same bits twice")


def skipped_together(jobs, models):
    """Of two ranks one has the only row, whose gradient overflows float16: neither makes the update, and both halve the scale."""
    overrides = ["data.validation=59990", "train.epochs=1", "train.batch_size=1", "optimizer={type: sgd, lr: 1.0e-9, momentum: 0.9}",
                 "train.dtype=fp16", "data.normalize={mean: [0], std: [0.00004]}"]
    for name, count, more in (("scaled-1", 1, []), ("scaled-2", 2, [SHARDED])):
        jobs.train(models / "mnist_mlp_low_rank.yaml", name, [*overrides, *more], count)
    scales = [[row["loss_scale"] for row in jobs.rows(name) if "loss_scale" in row] for name in ("scaled-1", "scaled-2")]
    check(scales[0] == scales[1] and set(scales[0]) == {65536, 32768}, f"steps are skipped: {scales}")
    jobs.same("scaled-1", "scaled-2", "skipped steps, 2 ranks")


def alone_it_is_nothing(jobs, models):
    spec = models / "mnist_mlp_low_rank.yaml"
    jobs.train(spec, "alone", SHORT, 1)
    jobs.train(spec, "alone-sharded", [*SHORT, SHARDED], 1)
    check(saved(jobs, "alone") == saved(jobs, "alone-sharded"), "one rank makes the same bits")


def stop(jobs, spec, name, overrides, ranks, after):
    """Starts a run and stops it by a signal after some steps."""
    for _ in range(5):
        shutil.rmtree(jobs.scratch / name, ignore_errors=True)
        process = subprocess.Popen(jobs.command(spec, name, overrides, ranks), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        while process.poll() is None and len(jobs.losses(name)) < after:
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        message = process.communicate()[1]
        if process.returncode == 75:
            return len(jobs.losses(name))
    check(False, f"{name} was not stopped: {process.returncode} {message}")


def goes_on_with_others(jobs, models):
    """With other numbers of ranks, and sharded or not: a checkpoint does not know."""
    spec = models / "mnist_mlp_low_rank.yaml"
    overrides = [*SHORT, SGD, "train.epochs=3", "train.ema=0.9"]
    jobs.train(spec, "whole", overrides, 1)
    for name, before, ranks_before, after, ranks_after in (("to-whole", [SHARDED], 2, [], 3), ("to-sharded", [], 2, [SHARDED], 4),
                                                           ("to-other", [SHARDED], 3, [SHARDED], 2), ("to-one", [SHARDED], 4, [], 1)):
        steps = stop(jobs, spec, name, [*overrides, *before], ranks_before, 10)
        check(0 < steps < 72, f"{name}: stopped after {steps} steps")
        jobs.train(spec, name, [*overrides, *after], ranks_after, "--resume")
        jobs.same("whole", name, name)
    stop(jobs, spec, "same", [*overrides, SHARDED], 3, 10)
    jobs.train(jobs.scratch / "same", "same", [], 3, "--resume")
    jobs.train(spec, "unbroken", [*overrides, SHARDED], 3)
    check(saved(jobs, "same") == saved(jobs, "unbroken"), "a run that was stopped and goes on alike has the same bits")


def memory(jobs, models):
    """Of four ranks each plans a quarter of Adam's two moments."""
    planned = {}
    for name, more in (("whole", []), ("sharded", [SHARDED])):
        binary = jobs.scratch / f"{name}.dnb"
        subprocess.run([jobs.danaus.parent / "danausc", models / "mnist_mlp_large.yaml", *more, "--ranks", "4", "-o", binary],
                       check=True)
        summary = json.loads(subprocess.run([jobs.danaus, "summary", binary, "--json"], check=True, capture_output=True).stdout)
        planned[name] = summary["planned_bytes"]
    saving, state = planned["whole"] - planned["sharded"], 2 * 4 * summary["params"]
    check(0.74 * state <= saving <= 0.75 * state, f"{planned} bytes, of {state} of the optimizer")


def refused(jobs, models):
    binary, path = jobs.scratch / "four.dnb", jobs.scratch / "none"
    subprocess.run([jobs.danaus.parent / "danausc", models / "mnist_mlp_low_rank.yaml", SHARDED, "--ranks", "4", "-o", binary],
                   check=True)
    for ranks in (1, 2):
        message = jobs.train(binary, "none", [], ranks, code=2)
        check(f"compiled for 4 ranks, and with dist.sharded it trains on no other number; here are {ranks}: give the spec" in message,
              message)
        check(not (path / "checkpoints").exists(), "nothing is trained")
    message = jobs.train(models / "mnist_mlp_low_rank.yaml", "none", ["dist.sharded=2"], 2, code=3)
    check("dist.sharded" in message, message)


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    jobs = Jobs(programs, scratch)
    for test in (equal_to_whole_updates, equal_losses, skipped_together, alone_it_is_nothing, memory, refused, goes_on_with_others):
        test(jobs, models)


if __name__ == "__main__":
    main()
