#!/usr/bin/env python3
"""Several processes that train one model, as users start them.

  ranks_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

Any number of ranks trains as one does, whatever a spec asks for; the same number twice to the same bits; a run goes on
with another number. Started by --nproc, and as torchrun does. A signal stops all at one step. Contradictions are named.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from ranks_failing import children_of

# A seed's split leaves 3,000 images to train on: 24 updates an epoch, the last one short.
SHORT = ["data.validation=57000", "train.epochs=1"]
SGD = "optimizer={type: sgd, lr: 0.05, momentum: 0.9}"
TOLERANCE = 1e-5


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


class Jobs:
    def __init__(self, programs, scratch):
        self.danaus, self.scratch = programs / "danaus", scratch

    def command(self, spec, name, overrides, ranks, *more):
        return [str(word) for word in (self.danaus, "train", spec, *overrides, "--out", self.scratch / name, "--log-every", 1,
                                       "--quiet", *(["--nproc", ranks] if ranks > 1 else []), *more)]

    def train(self, spec, name, overrides, ranks, *more, code=0):
        done = subprocess.run(self.command(spec, name, overrides, ranks, *more), capture_output=True, text=True, timeout=300)
        check(done.returncode == code, f"{name}, {ranks} ranks: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def rows(self, name):
        path = self.scratch / name / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def losses(self, name):
        return [row["loss"] for row in self.rows(name) if "loss" in row]

    def epochs(self, name):
        return [row for row in self.rows(name) if "val_loss" in row]

    def same(self, name, other, what):
        mine, theirs = self.losses(name), self.losses(other)
        check(len(mine) == len(theirs) > 0, f"{what}: {len(mine)} and {len(theirs)} losses")
        for step, (a, b) in enumerate(zip(mine, theirs), 1):
            error = abs(a - b) / abs(a)
            check(error <= TOLERANCE, f"{what}, step {step}: {a} and {b}")
        for a, b in zip(self.epochs(name), self.epochs(other)):
            check(abs(a["val_loss"] - b["val_loss"]) <= TOLERANCE * abs(a["val_loss"]), f"{what}: {a} and {b}")

    def weights(self, name):
        return (self.scratch / name / "checkpoints/last/model.safetensors").read_bytes()


def equal_to_one_rank(jobs, models):
    mlp, vit = models / "mnist_mlp_low_rank.yaml", models / "fashion_vit_tiny_monarch.yaml"
    random = "data.augment=[random_crop: {padding: 2}, horizontal_flip, mixup: {alpha: 0.4}, cutmix: {alpha: 1.0}]"
    cases = [("plain", mlp, [*SHORT, SGD], (2, 4)),
             ("recipe", mlp, [*SHORT, SGD, "train.accumulate=4", "train.clip_grad_norm=0.5", "train.ema=0.9"], (3,)),
             ("fp16", mlp, [*SHORT, SGD, "train.dtype=fp16"], (2,)),
             ("mixed", vit, [*SHORT, "train.max_steps=3", random], (2, 3)),
             ("more ranks than rows", mlp, [*SHORT, SGD, "train.batch_size=3", "train.max_steps=20"], (5,))]
    for name, spec, overrides, counts in cases:
        jobs.train(spec, f"{name}-1", overrides, 1)
        for count in counts:
            jobs.train(spec, f"{name}-{count}", overrides, count)
            jobs.same(f"{name}-1", f"{name}-{count}", f"{name}, {count} ranks")
    summary = json.loads((jobs.scratch / "plain-4/summary.json").read_text())
    check(summary["ranks"] == 4, summary)
    # The same number of ranks again: not a bit differs.
    jobs.train(mlp, "again", [*SHORT, SGD], 4)
    check(jobs.weights("again") == jobs.weights("plain-4"), "two runs of four ranks have the same weights")


def dropout_knows_no_ranks(jobs, scratch):
    spec = scratch / "dropout.yaml"
    spec.write_text("""name: dropout
model:
  input: {shape: [28, 28]}
  layers:
    - flatten
    - linear: {out: 64, activation: relu}
    - dropout: 0.3
    - linear: {out: 10}
data: {name: fashion_mnist}
train: {loss: cross_entropy}
""")
    jobs.train(spec, "dropout-1", [*SHORT, SGD], 1)
    jobs.train(spec, "dropout-3", [*SHORT, SGD], 3)
    jobs.same("dropout-1", "dropout-3", "dropout, 3 ranks")


def phases_change_together(jobs, models):
    overrides = ["data.validation=59000", SGD, "train.phases.0.epochs=1", "train.phases.1.epochs=1"]
    for count in (1, 2):
        jobs.train(models / "mnist_mlp_pufferfish.yaml", f"phases-{count}", overrides, count)
    jobs.same("phases-1", "phases-2", "two phases, 2 ranks")


def goes_on_with_others(jobs, models):
    """Stopped by a signal to the launcher, or to one rank only, and gone on with by another number of ranks."""
    spec, overrides = models / "mnist_mlp_low_rank.yaml", [*SHORT, SGD, "train.epochs=3"]
    jobs.train(spec, "whole", overrides, 1)
    for attempt in range(5):
        shutil.rmtree(jobs.scratch / "parts", ignore_errors=True)
        process = subprocess.Popen(jobs.command(spec, "parts", overrides, 2), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        while process.poll() is None and len(jobs.losses("parts")) < 10:
            time.sleep(0.001)
        ranks = children_of(process.pid)
        if attempt % 2 == 0 and len(ranks) == 2:
            os.kill(ranks[1], signal.SIGTERM)
        else:
            process.send_signal(signal.SIGTERM)
        message = process.communicate()[1]
        if process.returncode == 75:
            break
    check(process.returncode == 75 and "--resume goes on" in message, f"stopped: {process.returncode} {message}")
    before = len(jobs.losses("parts"))
    check(0 < before < 72, f"stopped after {before} steps")
    jobs.train(jobs.scratch / "parts", "parts", [], 3, "--resume")
    jobs.same("whole", "parts", "two ranks, then three")


def started_by_others(jobs, models):
    """As torchrun starts them: every rank a process with its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec, overrides = models / "mnist_mlp_low_rank.yaml", [*SHORT, SGD]
    processes = []
    for rank in (1, 0):  # in any order
        environment = dict(os.environ, RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE="2",
                           MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test")
        processes.append(subprocess.Popen(jobs.command(spec, "torchrun", overrides, 1), env=environment, text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    outputs = [process.communicate(timeout=300) for process in processes]
    check(all(process.returncode == 0 for process in processes), outputs)
    check("test accuracy" in outputs[1][0] and outputs[0][0] == "", "rank 0 prints, rank 1 does not")
    jobs.same("plain-1", "torchrun", "started by torchrun")


def names_contradictions(jobs, models):
    spec = models / "mnist_mlp_low_rank.yaml"

    def refused(words, *more, ranks=1, code=2, **variables):
        done = subprocess.run(jobs.command(spec, "none", SHORT, ranks, *more), capture_output=True, text=True,
                              env=dict(os.environ, **variables), timeout=100)
        check(done.returncode == code and words in done.stderr, f"{words}: code {done.returncode}\n{done.stderr}")
        check(not (jobs.scratch / "none").exists(), f"{words}: nothing is written")

    refused("leave --nproc out", ranks=2, RANK="0", WORLD_SIZE="2", MASTER_PORT="4000")
    refused("RANK=2 and WORLD_SIZE=2 contradict", RANK="2", WORLD_SIZE="2")
    refused("--max-restarts needs --nproc", "--max-restarts", "1")
    refused("--nproc takes a number of processes from 1 to 1024", "--nproc", "0")
    binary = jobs.scratch / "four.dnb"
    subprocess.run([jobs.danaus.parent / "danausc", spec, "--ranks", "4", "-o", binary], check=True)
    message = jobs.train(binary, "none", [], 2, code=2)
    check("shared by 2 ranks is 64 rows each, but the model was compiled for 32" in message, message)


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    jobs = Jobs(programs, scratch)
    equal_to_one_rank(jobs, models)
    dropout_knows_no_ranks(jobs, scratch)
    phases_change_together(jobs, models)
    goes_on_with_others(jobs, models)
    started_by_others(jobs, models)
    names_contradictions(jobs, models)


if __name__ == "__main__":
    main()
