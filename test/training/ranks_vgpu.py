#!/usr/bin/env python3
"""Several processes, each with a virtual GPU: gradients are added up on the devices, and shares of an update gathered, through
NCCL's interface.

  ranks_vgpu.py BIN_FOLDER SCRATCH_FOLDER

The losses are those of one rank on the CPU; the same with the sums through the host; a rank that is killed ends the others.
Without NVRTC the test is skipped (exit code 77).
"""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

from ranks_failing import children_of

TOLERANCE = 1e-5
SPEC = """name: small
model:
  input: {shape: [8, 8]}
  layers:
    - flatten
    - linear: {name: input, out: 32, activation: relu}
    - linear: {name: middle, out: 32, activation: gelu}
    - dropout: 0.1
    - linear: {name: output, out: 4}
structure:
  - {match: middle, kind: monarch, nblocks: 4}
data: {name: npy, dir: data, validation: 8}
train: {epochs: 2, batch_size: 24, loss: cross_entropy, clip_grad_norm: 1.0}
optimizer: {type: adam, lr: 1.0e-2}
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def write_array(path, shape, values):
    """uint8, as numpy.save."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(values))


def make_data(folder):
    folder.mkdir(parents=True)
    for name, count in (("train", 80), ("test", 24)):
        labels = [i * 7 % 4 for i in range(count)]
        pixels = [(i * 31 + p * 17 + labels[i] * p) % 256 for i in range(count) for p in range(64)]
        write_array(folder / f"{name}_images.npy", (count, 8, 8), pixels)
        write_array(folder / f"{name}_labels.npy", (count,), labels)


def main():
    programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:3])
    danaus = programs / "danaus"
    listed = json.loads(subprocess.run([danaus, "devices", "--json"], check=True, capture_output=True).stdout)
    if not listed["nvrtc"]["available"]:
        print("skipped:", listed["nvrtc"]["why_not"])
        sys.exit(77)
    shutil.rmtree(scratch, ignore_errors=True)
    make_data(scratch / "data")
    (scratch / "small.yaml").write_text(SPEC)

    def command(name, *more):
        return [str(word) for word in (danaus, "train", scratch / "small.yaml", "--out", scratch / name, "--log-every", 1, "--quiet",
                                       *more)]

    def train(name, *more, code=0):
        done = subprocess.run(command(name, *more), capture_output=True, text=True, timeout=300)
        check(done.returncode == code, f"{name}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stderr

    def losses(name):
        rows = [json.loads(line) for line in (scratch / name / "metrics.jsonl").read_text().splitlines()]
        return [row.get("loss", row.get("val_loss")) for row in rows]

    train("cpu")
    expected = losses("cpu")
    check(len(expected) == 8 and len(set(expected)) == 8, expected)
    for name, more in (("nccl-2", ["--nproc", 2]), ("nccl-3", ["--nproc", 3]), ("nccl-said", ["--nproc", 2, "dist.backend=nccl"]),
                       ("gloo-2", ["--nproc", 2, "dist.backend=gloo"]),
                       ("nccl-accumulate", ["--nproc", 2, "train.accumulate=2"]),
                       ("sharded-2", ["--nproc", 2, "dist.sharded=true"]), ("sharded-3", ["--nproc", 3, "dist.sharded=true"]),
                       ("sharded-gloo", ["--nproc", 3, "dist.sharded=true", "dist.backend=gloo"])):
        train(name, "--device", "vgpu", *more)
        found = losses(name)
        worst = max((abs(a - b) / abs(b) for a, b in zip(found, expected)), default=1)
        check(len(found) == len(expected) and worst <= TOLERANCE, f"{name}: {worst}, {found} and {expected}")

    # A program that does not clip has no norm of the gradient: it is made at the end of an epoch, from gradients that are copied
    # from the GPUs, and where updates are shared from the parts of the ranks.
    def norms(name, kind):
        rows = [json.loads(line) for line in (scratch / name / "metrics.jsonl").read_text().splitlines()]
        return [row["grad_norm"] for row in rows if kind in row and "grad_norm" in row]

    unclipped = ["train.clip_grad_norm=0"]
    train("norms-cpu", *unclipped)
    for name, more in (("norms", []), ("norms-2", ["--nproc", 2]), ("norms-sharded", ["--nproc", 2, "dist.sharded=true"])):
        train(name, "--device", "vgpu", *unclipped, *more)
        found, wanted = norms(name, "val_loss"), norms("norms-cpu", "val_loss")
        check(len(found) == len(wanted) == 2 and all(abs(a - b) <= 1e-4 * b for a, b in zip(found, wanted)), (name, found, wanted))
        check(norms(name, "loss") == found, f"{name}: the last step of each epoch: {norms(name, 'loss')}, {found}")
    check(len(norms("norms-cpu", "loss")) == 6, "on the CPU the norm of every step is logged")

    # Shares of a moving average change places with those of the parameters at the end of an epoch, and go through a checkpoint
    # to another number of ranks.
    average = ["train.ema=0.5", "train.accumulate=2", "train.epochs=8", "dist.sharded=true"]
    train("average-cpu", *average)
    for _ in range(5):
        shutil.rmtree(scratch / "average", ignore_errors=True)
        job = subprocess.Popen(command("average", "--device", "vgpu", "--nproc", 2, *average), stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
        log = scratch / "average/metrics.jsonl"
        while job.poll() is None and not (log.exists() and log.read_text().count('"loss"') >= 4):
            time.sleep(0.001)
        job.send_signal(signal.SIGTERM)
        message = job.communicate(timeout=60)[1]
        if job.returncode == 75:
            break
    check(job.returncode == 75, f"code {job.returncode}: {message}")
    train("average", "--device", "vgpu", "--nproc", 3, "--resume", *average)
    worst = max(abs(a - b) / abs(b) for a, b in zip(losses("average"), losses("average-cpu"), strict=True))
    check(worst <= TOLERANCE, f"stopped and gone on with: {worst}")

    message = train("none", "--nproc", 2, "dist.backend=nccl", code=6)
    check("nccl adds up between GPUs, and the device is cpu" in message, message)

    job = subprocess.Popen(command("killed", "--device", "vgpu", "--nproc", 3, "train.epochs=500", "dist.sharded=true"), stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    log = scratch / "killed/metrics.jsonl"
    while job.poll() is None and not (log.exists() and log.read_text().count('"loss"') >= 5):
        time.sleep(0.01)
    ranks = children_of(job.pid)
    check(len(ranks) == 3, f"{len(ranks)} ranks run")
    os.kill(ranks[1], signal.SIGKILL)
    message = job.communicate(timeout=60)[1]
    check(job.returncode == 7 and message.count("danaus: error") == 1 and "rank 1 on" in message and "SIGKILL" in message,
          f"code {job.returncode}: {message}")


if __name__ == "__main__":
    main()
