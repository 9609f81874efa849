#!/usr/bin/env python3
"""Jobs of several processes that fail: all end, soon, with one message that names the cause, and what was saved stays.

  ranks_failing.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

Ranks that are killed or stopped at random steps, a full disk, ranks that do not come, a launcher that is killed; and
--max-restarts, which goes on.
"""
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

RANKS, TIMEOUT = 3, 2  # seconds of silence
KILLS, STOPS = 15, 5
EPOCHS = 30  # of the run that starts again, of 24 steps each
# How long a loaded machine may take beyond what the program promises.
LOADED = 20


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def children_of(parent):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(path.parent.name))
    return sorted(found)


class Job:
    """`danaus train --nproc` that is disturbed while it runs."""

    def __init__(self, programs, spec, scratch, *more, epochs=200, limits=None):
        self.run = scratch / "run"
        shutil.rmtree(self.run, ignore_errors=True)
        command = [programs / "danaus", "train", spec, "data.validation=57000", f"train.epochs={epochs}",
                   f"dist.timeout_s={TIMEOUT}", "--nproc", str(RANKS), "--out", self.run, "--log-every", "1", "--quiet", *more]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=limits, restore_signals=limits is None)

    def steps(self):
        path = self.run / "metrics.jsonl"
        return path.read_text().count('"loss"') if path.exists() else 0

    def wait_for(self, step):
        while self.process.poll() is None and self.steps() < step:
            time.sleep(0.002)
        check(self.process.poll() is None, f"it ended by itself, code {self.process.returncode}")

    def ranks(self):
        """Their processes, in the order in which they were started."""
        return children_of(self.process.pid)

    def end(self, limit):
        start = time.monotonic()
        _, message = self.process.communicate(timeout=limit + LOADED)
        return self.process.returncode, message, time.monotonic() - start


def is_gone(process):
    """Whether it has ended: a zombie has."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def all_end(processes, what):
    for _ in range(500):
        if all(map(is_gone, processes)):
            return
        time.sleep(0.01)
    check(False, f"{what}: ranks are left behind")


def killed_while_they_save(programs, spec, scratch, numbers):
    """Sharded, all ranks have a part in every checkpoint; the one before stays whole."""
    for _ in range(5):
        job = Job(programs, spec, scratch, "dist.sharded=true", "checkpoint.every_n_steps=1")
        rank, step = numbers.randrange(RANKS), numbers.randrange(2, 30)
        job.wait_for(step)
        processes = job.ranks()
        os.kill(processes[rank], signal.SIGKILL)
        code, message, _ = job.end(5)
        what = f"rank {rank} at step {step}, code {code}: {message}"
        check(code == 7 and f"rank {rank} on" in message and message.count("danaus: error") == 1, what)
        all_end(processes, what)
        done = subprocess.run([programs / "danaus", "eval", job.run, "--weights", job.run / "checkpoints/last"],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"{what}: the checkpoint: {done.stderr}")


def killed_and_stopped(programs, spec, scratch, numbers):
    for round in range(KILLS + STOPS):
        kills = round < KILLS
        job = Job(programs, spec, scratch, f"dist.sharded={'true' if round % 2 else 'false'}")
        rank, step = numbers.randrange(RANKS), numbers.randrange(1, 80)
        job.wait_for(step)
        processes = job.ranks()
        check(len(processes) == RANKS, processes)
        os.kill(processes[rank], signal.SIGKILL if kills else signal.SIGSTOP)
        code, message, _ = job.end(5 if kills else TIMEOUT + 2)
        what = f"rank {rank} at step {step}, code {code}: {message}"
        check(code == 7, what)
        errors = [line for line in message.splitlines() if line.startswith("danaus: error")]
        check(len(errors) == 1, what)
        if kills:
            check(re.search(rf"rank {rank} on \S+ was ended by signal 9 \(SIGKILL\), at step (\d+);", message), what)
            at = int(re.search(r"at step (\d+)", message)[1])
            check(at >= step, what)
        else:
            check(re.search(rf"rank {rank} (on|at) .*has been silent for {TIMEOUT} s, at step \d+", message), what)
        all_end(processes, what)


def a_full_disk(programs, spec, scratch):
    """Rank 0 can write no file as large as a checkpoint; what others miss is rank 0, which says why."""
    def limits():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    Job(programs, spec, scratch, "train.max_steps=1", epochs=1).process.communicate()  # the binary is in the cache then
    job = Job(programs, spec, scratch, "checkpoint.every_n_steps=5", limits=limits)
    code, message, _ = job.end(10)
    check(code == 9 and "File too large" in message and message.count("danaus: error") == 1, f"code {code}: {message}")


def a_rank_that_does_not_come(programs, spec, scratch):
    environment = dict(os.environ, RANK="0", WORLD_SIZE="3", MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment["MASTER_PORT"] = str(free.getsockname()[1])
    done = subprocess.run([programs / "danaus", "train", spec, f"dist.timeout_s={TIMEOUT}", "--out", scratch / "absent"],
                          capture_output=True, text=True, env=environment, timeout=60)
    check(done.returncode == 7 and "rank 1, 2 of 3 did not come to 127.0.0.1" in done.stderr, done.stderr)
    check(not (scratch / "absent").exists(), "nothing is written")


def the_launcher_dies(programs, spec, scratch):
    job = Job(programs, spec, scratch)
    job.wait_for(2)
    processes = job.ranks()
    job.process.kill()
    job.process.communicate()
    all_end(processes, "the launcher was killed")


def starts_again(programs, spec, scratch):
    short = ["dist.sharded=true", "checkpoint.every_n_steps=10", "optimizer={type: sgd, lr: 0.05}"]
    Job(programs, spec, scratch, *short, epochs=EPOCHS).process.communicate()
    whole = (scratch / "run/checkpoints/last/model.safetensors").read_bytes()
    job = Job(programs, spec, scratch, *short, "--max-restarts", "2", epochs=EPOCHS)
    for step in (15, 200):
        job.wait_for(step)
        killed = job.ranks()
        os.kill(killed[-1], signal.SIGKILL)
        while job.process.poll() is None and not (job.ranks() and set(job.ranks()).isdisjoint(killed)):
            time.sleep(0.001)
    code, message, _ = job.end(60)
    check(code == 0 and "start 2 of 3 goes on" in message and "start 3 of 3 goes on" in message, f"code {code}: {message}")
    check((scratch / "run/checkpoints/last/model.safetensors").read_bytes() == whole, "as if nothing had happened")
    losses = [json.loads(line) for line in (scratch / "run/metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in losses if "loss" in row]
    check(steps == list(range(1, EPOCHS * 24 + 1)), "the log has every step once")


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    spec = models / "mnist_mlp_low_rank.yaml"
    seed = int(os.environ.get("DANAUS_TEST_SEED", time.time()))
    print(f"DANAUS_TEST_SEED={seed}", flush=True)
    numbers = random.Random(seed)
    killed_and_stopped(programs, spec, scratch, numbers)
    killed_while_they_save(programs, spec, scratch, numbers)
    a_full_disk(programs, spec, scratch)
    a_rank_that_does_not_come(programs, spec, scratch)
    the_launcher_dies(programs, spec, scratch)
    starts_again(programs, spec, scratch)


if __name__ == "__main__":
    main()
