#!/usr/bin/env python3
"""Runs whose weights choose the ranks of the next phase, as users start them.

  chosen_ranks_run.py SPEC BIN_FOLDER SCRATCH_FOLDER

The ranks are those that `danaus convert` chooses of the same weights; stopped, killed or failed anywhere the run comes to
the same bits, and ranks that are chosen once are read, not chosen again. A compiled model, several ranks, weights to
begin with, layers that stay dense, three phases. What reads a run sees what was chosen. What is refused, and how.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

# 3,000 images train: 24 steps an epoch.
SHORT = ["data.validation=57000", "train.phases.0.epochs=2", "train.phases.1.epochs=2"]
STEPS = 24
HIDDEN = [f"hidden.{i}" for i in range(4)]

# In the place of danausc: does what TROUBLE says when it is to compile with chosen ranks.
WRAPPER = """#!/bin/bash
case "$*:$TROUBLE" in
*--chosen-ranks*:kill) kill -KILL $PPID; exit 1;;
*--chosen-ranks*:stop) kill -TERM $PPID; sleep 20;;
*--chosen-ranks*:fail) exit 9;;
*--chosen-ranks*:other) exec {real} "${@/structure: dense/structure: []}";;
esac
exec {real} "$@"
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


class Runs:
    def __init__(self, programs, scratch):
        self.scratch, self.compiler = scratch, programs / "danausc"
        folder = scratch / "bin"
        folder.mkdir()
        self.danaus = folder / "danaus"
        for file in (programs / "danaus", *programs.glob("*.so")):
            shutil.copy(file, folder)
        wrapper = folder / "danausc"
        wrapper.write_text(WRAPPER.replace("{real}", str(self.compiler)))
        wrapper.chmod(0o755)

    def call(self, *arguments, code=0, trouble=""):
        done = subprocess.run([str(word) for word in (self.danaus, *arguments)], capture_output=True, text=True,
                              timeout=300, env={**os.environ, "TROUBLE": trouble})
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def train(self, model, name, overrides=(), *more, **keywords):
        return self.call("train", model, *overrides, "--out", self.scratch / name, "--log-every", 1, "--quiet", *more, **keywords)

    def json(self, name, file):
        return json.loads((self.scratch / name / file).read_text())

    def ranks(self, name, phase=2):
        """By layer; 0: dense."""
        entry, = [entry for entry in self.json(name, "ranks.json")["phases"] if entry["phase"] == phase]
        return {layer["name"]: layer["rank"] if layer["structure"] == "low_rank" else 0 for layer in entry["layers"]}

    def losses(self, name):
        lines = (self.scratch / name / "metrics.jsonl").read_text().splitlines()
        return [row["loss"] for row in map(json.loads, lines) if "loss" in row]

    def weights(self, name, slot="last"):
        return (self.scratch / name / "checkpoints" / slot / "model.safetensors").read_bytes()

    def same(self, name, what):
        check(self.losses(name) == self.losses("whole"), f"{what}: losses")
        for slot in ("last", "best"):
            check(self.weights(name, slot) == self.weights("whole", slot), f"{what}: weights of {slot}")
        check(self.json(name, "ranks.json") == self.json("whole", "ranks.json"), f"{what}: ranks")


def whole(runs, spec):
    text = runs.train(spec, "whole", [*SHORT, "checkpoint.keep=10"])
    ranks = runs.ranks("whole")
    check(list(ranks) == HIDDEN and all(8 <= rank <= 56 for rank in ranks.values()), ranks)
    for layer, rank in ranks.items():
        check(f"{layer}   dense   low_rank r={rank} " in text, text)
    for word in ("energy kept", "relative error", "loss of a batch, before and after", "phase 2 of 2"):
        check(word in text, f"{word!r} is not in\n{text}")
    border = runs.json("whole", "phase-2.json")
    check([row["to"] for row in border["layers"]] == [f"low_rank r={rank}" for rank in ranks.values()], border)
    for row, chosen in zip(border["layers"], runs.json("whole", "ranks.json")["phases"][0]["layers"]):
        check(abs(row["energy_kept"] - chosen["energy_kept"]) <= 1e-4 and chosen["energy_kept"] >= 0.75, (row, chosen))
    # What `danaus convert` chooses of the same weights: those of a run that ends at the border.
    runs.train(spec, "first", [*SHORT, f"train.max_steps={2 * STEPS}"])
    check(b"hidden.0.weight" in runs.weights("first") and not (runs.scratch / "first/ranks.json").exists(), "dense")
    fixed = runs.scratch / "fixed.yaml"
    fixed.write_text(spec.read_text().replace("{energy: 0.75}", "16").replace("    - {epochs: 5, structure: dense}\n", ""))
    check("rank: 16" in fixed.read_text() and "structure: dense" not in fixed.read_text(), "the fixed spec")
    runs.call("convert", runs.scratch / "first/checkpoints/last", fixed, "--energy", 0.75,
              "--spec", runs.scratch / "chosen.yaml", "-o", runs.scratch / "chosen.safetensors")
    layers = json.loads(runs.call("summary", runs.scratch / "chosen.yaml", "--json").partition("warning")[0])["layers"]
    found = {layer["name"]: layer["structure"] for layer in layers}
    check(all(found[layer] == f"low_rank r={rank}" for layer, rank in ranks.items()), (found, ranks))
    return ranks


def readers(runs, spec, ranks):
    """What reads a run sees the ranks; what needs them and has none says so."""
    run = runs.scratch / "whole"
    params = 167818 - 4 * 128 * 128 + sum(256 * rank for rank in ranks.values())
    check(runs.json("whole", "summary.json")["params"] == params, params)
    check(json.loads(runs.call("summary", run, "--json").partition("warning")[0])["params"] == params, "danaus summary RUN")
    text = runs.call("summary", spec)
    check("hidden.0   low_rank r<=56 (energy 0.75)" in text and "the ranks of 4 layers (r<=) will be chosen" in text, text)
    check("low_rank r<=56 (auto)" in runs.call("summary", spec, "structure.0.rank=auto"), "rank: auto")
    check(json.loads(runs.call("eval", run, "--json"))["accuracy"] > 0.3, "danaus eval RUN")
    runs.call("export", run, "--onnx", runs.scratch / "run.onnx")
    runs.call("export", runs.scratch / "first", "--onnx", runs.scratch / "first.onnx")
    page = (run / "report.html").read_text()
    check(f"low_rank r={ranks['hidden.0']}" in page and "r&lt;=56" not in page and "r<=56" not in page, "the report")
    message = runs.call("convert", run, spec, "-o", runs.scratch / "no.safetensors", code=2)
    check("convert: the rank of hidden.0 is chosen by the weights of a run" in message, message)
    runs.call("convert", run, run, "-o", runs.scratch / "same.safetensors")
    check((run / "config.yaml").read_text().count("rank: {energy: 0.75}") == 1, "config.yaml is what the user wrote")


def interrupted(runs, spec):
    """Stopped before the border and behind it; killed, stopped and failed while the model is compiled."""
    overrides = [*SHORT, "checkpoint.keep=10"]
    for step in (5, 2 * STEPS + 5):
        name = f"stopped-{step}"
        process = subprocess.Popen([str(word) for word in (runs.danaus, "train", spec, *overrides, "--out",
                                                           runs.scratch / name, "--log-every", 1, "--quiet")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = runs.scratch / name / "metrics.jsonl"
        while process.poll() is None and (not rows.exists() or len(rows.read_text().splitlines()) < step):
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        code = process.wait()
        check(code in (0, 75), f"stopped at {step}: code {code}")  # 0: it was faster than the signal
        if code == 75:
            runs.train(spec, name, overrides, "--resume")
        runs.same(name, f"stopped after step {step}")
    for trouble, code in {"kill": -signal.SIGKILL, "stop": 75, "fail": 9}.items():
        message = runs.train(spec, trouble, overrides, trouble=trouble, code=code)
        check(runs.ranks(trouble) == runs.ranks("whole"), f"{trouble}: the ranks are chosen")
        check(b"hidden.0.weight" in runs.weights(trouble), f"{trouble}: the checkpoint is that of the phase before")
        if trouble == "fail":
            check("entering phase 2 of" in message and "danausc ended with code 9" in message, message)
        check(not list((runs.scratch / trouble).glob("*.tmp")), f"{trouble}: nothing is left lying about")
        if trouble == "stop":  # by the folder, without a spec
            runs.call("train", runs.scratch / trouble, "--resume", "--log-every", 1, "--quiet")
        else:
            runs.train(spec, trouble, overrides, "--resume")
        runs.same(trouble, f"{trouble} while compiling")
    # Behind the border, with nothing but the spec, whose binary knows no ranks; the run's own is lost.
    shutil.copytree(runs.scratch / "whole", runs.scratch / "behind")
    last = runs.scratch / "behind/checkpoints/last"
    shutil.rmtree(last)
    shutil.copytree(runs.scratch / f"whole/checkpoints/step-{3 * STEPS}", last)
    (runs.scratch / "behind/model.dnb").unlink()
    runs.train(spec, "behind", overrides, "--resume")
    check(runs.weights("behind") == runs.weights("whole"), "resumed behind the border")
    (runs.scratch / "behind/model.dnb").unlink()
    (runs.scratch / "behind/ranks.json").unlink()
    message = runs.train(spec, "behind", overrides, "--resume", code=5)
    check("does not say which ranks phase 2 has" in message, message)


def never_twice(runs, spec):
    overrides = SHORT
    runs.train(spec, "read", overrides, trouble="kill", code=-signal.SIGKILL)
    path = runs.scratch / "read/ranks.json"
    ranks = json.loads(path.read_text())
    ranks["phases"][0]["layers"][1]["rank"] = 8
    path.write_text(json.dumps(ranks))
    runs.train(spec, "read", overrides, "--resume")
    border = runs.json("read", "phase-2.json")
    check(border["layers"][1]["to"] == "low_rank r=8", "ranks that are there are read")

    runs.train(spec, "damaged", overrides, trouble="kill", code=-signal.SIGKILL)
    path = runs.scratch / "damaged/ranks.json"
    good = path.read_text()
    for damage, words in {good[:40]: "ranks.json", good.replace('"rank": ', '"rank": 9'): "a rank above its smaller side",
                          good.replace("hidden.3", "hidden.4"): "has not the linears of this run",
                          "{}": "it has no list `phases`"}.items():
        path.write_text(damage)
        message = runs.train(spec, "damaged", overrides, "--resume", code=5)
        check(words in message and "ranks.json" in message, f"{words!r} is not in\n{message}")


def binaries(runs, spec):
    """A compiled model has its spec in it; without a compiler it is refused before the first step."""
    model = runs.scratch / "model.dnb"
    subprocess.run([runs.compiler, spec, *SHORT, "checkpoint.keep=10", "-o", model], check=True)
    runs.train(model, "binary")
    runs.same("binary", "a compiled model")
    hidden = runs.scratch / "bin/danausc"
    hidden.rename(runs.scratch / "bin/away")
    message = runs.train(model, "no-compiler", code=9)
    check("whose weights choose its ranks, needs danausc, which is not at" in message, message)
    check(not (runs.scratch / "no-compiler").exists(), "nothing is written")
    # What has its ranks needs none.
    runs.call("train", runs.scratch / "whole", "--resume", "--quiet")
    (runs.scratch / "bin/away").rename(hidden)


def ranks_together(runs, spec):
    """Two processes: rank 0 compiles, the other one has its binary; and a run that goes on with two."""
    for name, more in {"two": [], "sharded": ["dist.sharded=true"]}.items():
        runs.train(spec, name, [*SHORT, *more], "--nproc", 2)
        check(runs.ranks(name) == runs.ranks("whole"), f"{name}: ranks")
        for step, (a, b) in enumerate(zip(runs.losses(name), runs.losses("whole"), strict=True), 1):
            check(abs(a - b) <= 1e-3 * abs(b), f"{name}, step {step}: {a} and {b}")
    shutil.copytree(runs.scratch / "whole", runs.scratch / "more")
    last = runs.scratch / "more/checkpoints/last"
    shutil.rmtree(last)
    shutil.copytree(runs.scratch / f"whole/checkpoints/step-{3 * STEPS}", last)
    runs.call("train", runs.scratch / "more", "--resume", "--nproc", 2, "--quiet")
    check(runs.json("more", "summary.json")["params"] == runs.json("whole", "summary.json")["params"], "ranks of the run")
    message = runs.train(spec, "two-fail", SHORT, "--nproc", 2, trouble="fail", code=9)
    check("danausc ended with code 9" in message, message)
    runs.train(spec, "two-stop", SHORT, "--nproc", 2, trouble="stop", code=75)
    runs.train(spec, "two-stop", SHORT, "--nproc", 2, "--resume")
    check(runs.weights("two-stop") == runs.weights("two"), "two ranks, stopped while the model is compiled")


def ways(runs, spec):
    """Weights to begin with, layers that stay dense, three phases."""
    init = runs.scratch / "first/checkpoints/last/model.safetensors"
    first = [SHORT[0], "train.phases=[{epochs: 1}]", f"train.init={init}"]
    text = runs.train(spec, "init", first)
    check(runs.ranks("init", 1) == runs.ranks("whole"), "the same weights, the same ranks")
    check("train.init: 4 linears converted" in text, text)
    layers = json.loads(runs.call("summary", runs.scratch / "init", "--json").partition("warning")[0])["layers"]
    check(layers[1]["structure"] == f"low_rank r={runs.ranks('init', 1)['hidden.0']}", layers)
    message = runs.train(spec, "no-fit", [*first[:2], f"train.init={runs.scratch / 'chosen.safetensors'}",
                                          "model.layers.1.linear.out=64"], code=5)
    check("reading train.init" in message and not (runs.scratch / "no-fit/config.yaml").exists(), message)

    text = runs.train(spec, "dense", [*SHORT, "structure.0.rank={energy: 1}"])
    check(runs.ranks("dense") == dict.fromkeys(HIDDEN, 0), runs.ranks("dense"))
    check("note: hidden.3 stays dense: two factors of rank 128 have no fewer parameters than 128 -> 128" in text, text)
    check(runs.json("dense", "summary.json")["params"] == 167818, "all stay dense")

    narrower = "[{match: \"hidden.*\", kind: low_rank, rank: {energy: 0.4}}]"
    runs.train(spec, "three", [SHORT[0], "structure.0.rank=auto", "train.ema=0.9",
                               "train.phases=[{epochs: 1, structure: [{match: \"hidden.0\", kind: monarch, nblocks: 4}]},"
                               f" {{epochs: 1, optimizer_state: project}}, {{epochs: 1, structure: {narrower}}}]"])
    auto, energy = runs.ranks("three", 2), runs.ranks("three", 3)
    check(auto["hidden.1"] != energy["hidden.1"] and 0 < energy["hidden.1"] <= 40, (auto, energy))
    check([row["to"] for row in runs.json("three", "phase-3.json")["layers"] if row["name"] == "hidden.1"] ==
          [f"low_rank r={energy['hidden.1']}"], energy)


def compared(runs, spec):
    """Parameters of the runs, not of the largest ranks."""
    other = runs.scratch / "other.yaml"
    other.write_text(spec.read_text().replace("name: mnist", "name: other").replace("energy: 0.75", "energy: 0.4"))
    out = runs.scratch / "comparison"
    table = runs.call("compare", spec, other, *SHORT, "--seeds", 2, "--out", out)
    models = json.loads((out / "compare.json").read_text())["models"]
    for model in models:
        counts = [runs.json(f"comparison/{model['name']}/seed-{seed}", "summary.json")["params"] for seed in (0, 1)]
        check([run["params"] for run in model["runs"]] == counts, counts)
        check(abs(model["params"] - sum(counts) / 2) <= 0.5 and f"{model['params']:,}" in table, (model, table))
    check(models[1]["params"] < models[0]["params"] < 159626, models)


def refused(runs, spec):
    for overrides, words in {("train.phases=[{epochs: 3}]",): "the first phase has none yet",
                             ("structure.0.rank={energy: 1.5}",): "1.5 is out of range: expected a number above 0.0",
                             ("structure.0.rank={energy: 0}",): "0 is out of range: expected a number above 0.0",
                             ("structure.0.rank={}",): "missing key 'energy'",
                             ("structure.0.rank=automatic",): "auto or {energy: ...}, found 'automatic'",
                             ("structure=[{match: \"hidden.*\", kind: monarch, nblocks: 4, rank: auto}]",):
                                 "'rank' goes only with kind: low_rank"}.items():
        message = runs.train(spec, "refused", overrides, code=3)
        check(words in message, f"{overrides}: {words!r} is not in\n{message}")


def main():
    spec, programs, scratch = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    runs = Runs(programs, scratch)
    ranks = whole(runs, spec)
    readers(runs, spec, ranks)
    refused(runs, spec)
    interrupted(runs, spec)
    never_twice(runs, spec)
    binaries(runs, spec)
    ranks_together(runs, spec)
    ways(runs, spec)
    compared(runs, spec)


if __name__ == "__main__":
    main()
