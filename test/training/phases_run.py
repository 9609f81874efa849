#!/usr/bin/env python3
"""Runs whose structure changes, as users start them.

  phases_run.py SPEC BIN_FOLDER SCRATCH_FOLDER

Dense, then low-rank: what is printed and kept, both structures evaluated, stopped by a signal before and after the border
and resumed to the same bits. The other way round the function must not change at the border. A whole mixture of layers
with the optimizer's state carried over. What a limit on the error prevents.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

SHORT = ["train.phases.0.epochs=2", "train.phases.1.epochs=3", "data.validation=50000"]
STEPS = 79  # of an epoch: 10,000 images of 128


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


class Runs:
    def __init__(self, programs, scratch):
        self.danaus, self.scratch = programs / "danaus", scratch

    def call(self, *arguments, code=0):
        done = subprocess.run([self.danaus, *arguments], capture_output=True, text=True)
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def command(self, spec, name, overrides):
        return [spec, *overrides, "--out", self.scratch / name, "--log-every", "1", "--quiet"]

    def train(self, spec, name, overrides, code=0):
        return self.call("train", *self.command(spec, name, overrides), code=code)

    def rows(self, name, key):
        path = self.scratch / name / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [row for row in (json.loads(line) for line in lines if line.endswith("\n")) if key in row]

    def border(self, name, phase=2):
        return json.loads((self.scratch / name / f"phase-{phase}.json").read_text())

    def weights(self, name, slot="last"):
        return (self.scratch / name / "checkpoints" / slot / "model.safetensors").read_bytes()

    def stopped_and_resumed(self, spec, name, overrides, step):
        """Stopped after about so many steps; tried again where the run ended before the signal came."""
        for _ in range(5):
            shutil.rmtree(self.scratch / name, ignore_errors=True)
            process = subprocess.Popen([self.danaus, "train", *self.command(spec, name, overrides)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and len(self.rows(name, "loss")) < step:
                time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            if process.wait() == 75:
                print(f"stopped after step {self.rows(name, 'loss')[-1]['step']}")
                self.call("train", *self.command(spec, name, overrides), "--resume")
                return
        sys.exit("the run always ended before it could be stopped")


def low_rank(runs, spec):
    text = runs.train(spec, "whole", SHORT)
    for part in ("phase 1 of 2: mnist_mlp_pufferfish   167,818 params (dense)", "hidden.3", "low_rank r=16",
                 "phase 2 of 2: mnist_mlp_pufferfish   118,666 params (29 % fewer than dense)", "loss of a batch"):
        check(part in text, f"{part!r} is not in\n{text}")
    border = runs.border("whole")
    check([row["name"] for row in border["layers"]] == [f"hidden.{i}" for i in range(4)], border)
    check(all(0.1 < row["relative_error"] < 0.95 for row in border["layers"]), border)
    check(border["epoch"] == 2 and border["loss_before"] < border["loss_after"] < 2.4, border)
    check([row["step"] for row in runs.rows("whole", "loss")] == list(range(1, 5 * STEPS + 1)), "a row for each step")
    check([row["epoch"] for row in runs.rows("whole", "val_loss")] == [1, 2, 3, 4, 5], "a row for each epoch")

    for step in (20, STEPS + 1, 2 * STEPS + 1):
        runs.stopped_and_resumed(spec, "cut", SHORT, step)
        check(runs.rows("cut", "loss") == runs.rows("whole", "loss"), f"losses of the run stopped at about {step}")
        for slot in ("last", "best"):
            check(runs.weights("cut", slot) == runs.weights("whole", slot), f"{slot} of the run stopped at about {step}")

    # A run that never came to its second phase is evaluated with the structure that it has.
    accuracy = [json.loads(runs.call("eval", runs.scratch / "whole", "--json"))["accuracy"]]
    runs.train(spec, "first", [*SHORT, "train.max_steps=100"])
    check(b"hidden.0.weight" in runs.weights("first", "best"), "the first phase is dense")
    accuracy.append(json.loads(runs.call("eval", runs.scratch / "first", "--json"))["accuracy"])
    check(min(accuracy) > 0.6, accuracy)


def dense_at_last(runs, spec):
    """Multiplying out changes no function."""
    runs.train(spec, "out", ["train.phases=[{epochs: 1}, {epochs: 1, structure: dense, optimizer_state: project}]", *SHORT[2:]])
    border = runs.border("out")
    check(all(row["to"] == "dense" and row["relative_error"] == 0 for row in border["layers"]), border)
    check(abs(border["loss_after"] - border["loss_before"]) <= 1e-5 * border["loss_before"], border)


def mixture(runs, spec):
    """Each layer on its own way, the state of every one carried over."""
    rules = ("[{match: hidden.0, kind: monarch, nblocks: 4}, {match: hidden.1, kind: low_rank, rank: 0.25},"
             " {match: input, kind: low_rank, rank: 64}]")
    phases = f"train.phases=[{{epochs: 1}}, {{epochs: 1, structure: {rules}, optimizer_state: project, lr_scale: 0.5}}]"
    for name, optimizer in {"adam": [], "sgd": ["optimizer={type: sgd, lr: 0.05, momentum: 0.9}", "train.ema=0.9"]}.items():
        runs.train(spec, name, [phases, *SHORT[2:], *optimizer])
        border = runs.border(name)
        found = {row["name"]: (row["from"], row["to"]) for row in border["layers"]}
        check(found == {"hidden.0": ("low_rank r=16", "monarch N=4"), "hidden.1": ("low_rank r=16", "low_rank r=32"),
                        "hidden.2": ("low_rank r=16", "dense"), "hidden.3": ("low_rank r=16", "dense"),
                        "input": ("dense", "low_rank r=64")}, found)
        losses = [row["val_loss"] for row in runs.rows(name, "val_loss")]
        check(losses[1] < losses[0], f"{name}: the second epoch is better: {losses}")
        rates = [row["lr"] for row in runs.rows(name, "val_loss")]
        check(abs(rates[1] - rates[0] / 2) <= 1e-9, rates)
        state = runs.scratch / name / "checkpoints/last/state.safetensors"
        check((b"hidden.0.blkdiag1.exp_avg_sq" if name == "adam" else b"hidden.0.blkdiag1.momentum_buffer")
              in state.read_bytes(), "the state has the names of the new structure")


def limit(runs, spec):
    message = runs.train(spec, "limit", [*SHORT, "train.phases.0.epochs=1", "train.phases.1.max_error=0.01"], code=5)
    check("entering phase 2 of mnist_mlp_pufferfish" in message and "above the limit of 0.01" in message, message)
    check(b"hidden.0.weight" in runs.weights("limit"), "the checkpoint before the border is kept")
    rise = [*SHORT, "train.phases.0.epochs=1", "train.phases.1.epochs=1", "structure.0.rank=1"]
    message = runs.train(spec, "rise", [*rise, "train.phases.1.max_loss_rise=0.001"], code=5)
    check("raises the loss of a batch from" in message and "max_loss_rise 0.001" in message, message)
    check(b"hidden.0.weight" in runs.weights("rise") and not (runs.scratch / "rise/phase-2.json").exists(),
          "nothing of the phase is kept")
    runs.train(spec, "no-rise", [*rise, "train.phases.1.max_loss_rise=10"])


def main():
    spec, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    runs = Runs(programs, scratch)
    low_rank(runs, spec)
    dense_at_last(runs, spec)
    mixture(runs, spec)
    limit(runs, spec)


if __name__ == "__main__":
    main()
