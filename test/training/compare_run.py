#!/usr/bin/env python3
"""danaus compare, as users call it: a comparison, interrupted and gone on with, enlarged, and every wrong call.

  compare_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    specs = [models / "mnist_mlp.yaml", models / "mnist_mlp_low_rank.yaml"]
    out = scratch / "study"
    short = ["train.epochs=2", "data.validation=50000"]

    def command(*arguments):
        return [programs / "danaus", "compare", *arguments]

    def run(*arguments, code=0):
        done = subprocess.run(command(*arguments), capture_output=True, text=True)
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    # Interrupted in the first run; the same command goes on.
    process = subprocess.Popen(command(*specs, *short, "--seeds", "2", "--out", out), stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    while process.poll() is None and not (out / "mnist_mlp/seed-0/checkpoints").is_dir():
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    check(process.wait() == 75 and not (out / "compare.json").exists(), "stopped on request")
    done = run(*specs, *short, "--seeds", "2", "--out", out)
    check("mnist_mlp_low_rank" in done.stdout and "118,666" in done.stdout and "1.00x" in done.stdout, done.stdout)
    first = json.loads((out / "compare.json").read_text())
    check(first["seeds"] == [0, 1], first)

    # Finished runs are not run again; a further seed is added to them.
    stamps = {path: os.stat(path).st_mtime_ns for path in out.glob("*/seed-*/summary.json")}
    check(len(stamps) == 4, stamps)
    more = json.loads(run(*specs, *short, "--seeds", "3", "--out", out, "--json").stdout)
    check(all(os.stat(path).st_mtime_ns == stamp for path, stamp in stamps.items()), "finished runs stay as they are")
    check(more["seeds"] == [0, 1, 2], more)
    for model in range(2):
        check(more["models"][model]["runs"][:2] == first["models"][model]["runs"], "the old runs are the same")
        values = [run["test_accuracy"] for run in more["models"][model]["runs"]]
        check(len(set(values)) == 3 and min(values) > 0.5, values)
        check(abs(sum(values) / 3 - more["models"][model]["test_accuracy"]["mean"]) < 1e-12, values)
    check(0 <= more["models"][1]["paired_test"]["p"] <= 1 and "paired_test" not in more["models"][0], more)
    summary = json.loads((out / "mnist_mlp/seed-2/summary.json").read_text())
    check(summary["peak_bytes"] > 1 << 20, summary)
    page = (out / "compare.html").read_text()
    check("<canvas" in page and "167,818" in page and "default-src 'none'" in page, "the page has a plot, a table, and no network")

    # Wrong calls, each said before anything is trained.
    for arguments, code, words in (
            ([specs[0]], 2, "two or more specs"),
            ([specs[0], specs[0]], 2, "both called 'mnist_mlp'"),
            ([*specs, "seed=3"], 2, "compare gives the seeds"),
            ([*specs, "--seeds", "0"], 2, "--seeds takes 1 to 1000"),
            ([specs[0], scratch], 2, "is no spec"),
            ([specs[0], scratch / "absent.yaml"], 3, "absent.yaml"),
            ([*specs, "train.epochs=3", "--seeds", "1", "--out", out], 2, "other specs or values")):
        message = run(*arguments, *([] if "--out" in arguments else ["--out", scratch / "none"]), code=code).stderr
        check(words in message, message)
    check(not (scratch / "none").exists(), "nothing was left behind")


if __name__ == "__main__":
    main()
