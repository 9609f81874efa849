#!/usr/bin/env python3
"""trace.json of runs and of `danaus profile --trace`, as Perfetto wants it.

  trace_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

The rules of the trace event format: required fields, times that grow, spans of a track that lie in each other or beside each
other. And what is in it: steps, kernels within them, input threads, all-reduces of every rank, waits.
"""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict

SHORT = ["data.validation=57000", "train.epochs=1"]  # 24 updates
CATEGORIES = ("step", "kernel", "input", "communication", "wait", "launch", "copy")
SLACK = 0.0015  # microseconds: times are written with three digits


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def call(*words, code=0, env=None):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **{key: str(value) for key, value in (env or {}).items()}})
    check(done.returncode == code, f"code {done.returncode}, not {code}: {words}\n{done.stdout}{done.stderr}")
    return done


def read(path):
    """The spans by (rank, thread's name); checks the format."""
    file = json.loads(path.read_text())
    names, spans, last = {}, defaultdict(list), {}
    for event in file["traceEvents"]:
        track = event["pid"], event["tid"]
        check(isinstance(event["name"], str) and isinstance(track[0], int) and isinstance(track[1], int), event)
        if event["ph"] == "M":
            check(event["name"] in ("process_name", "process_sort_index", "thread_name"), event)
            if event["name"] == "thread_name":
                check(track not in names, f"two names of a track: {event}")
                names[track] = event["args"]["name"]
            continue
        check(event["ph"] == "X" and event["cat"] in CATEGORIES, event)
        check(event["ts"] >= -SLACK and event["dur"] >= 0, f"a time before the beginning: {event}")
        check(event["ts"] >= last.get(track[0], 0) - SLACK, f"times go back: {event}")
        last[track[0]] = event["ts"]
        check(track in names, f"a track without name: {event}")
        spans[track[0], names[track]].append(event)
    check(len(set((track[0], name) for track, name in names.items())) == len(names), f"tracks of one name: {names}")
    for track, events in spans.items():
        ends = []
        for event in events:
            end = event["ts"] + event["dur"]
            while ends and ends[-1] <= event["ts"] + SLACK:
                ends.pop()
            check(not ends or end <= ends[-1] + SLACK, f"spans of {track} overlap: {event}")
            ends.append(end)
    return spans, file["otherData"]


def of_kind(events, kind):
    return [event for event in events if event["cat"] == kind]


def kernels_in_steps(spans, rank, steps):
    main = spans[rank, "main"]
    found = of_kind(main, "step")
    check(len(found) == steps, f"rank {rank}: {len(found)} steps, not {steps}")
    for (owner, thread), events in spans.items():
        if owner != rank:
            continue
        for kernel in of_kind(events, "kernel"):
            inside = any(step["ts"] - SLACK <= kernel["ts"] and
                         kernel["ts"] + kernel["dur"] <= step["ts"] + step["dur"] + SLACK for step in found)
            check(inside, f"a kernel of {thread} in no step: {kernel}")
    return found


def parts_of(profile):
    """Where the time of a step went: parts that add up to it."""
    parts = profile["time"]
    check(list(parts) == ["compute", "communication", "input_wait", "idle"], parts)
    check(all(part["ms"] >= 0 and abs(part["share"] * profile["ms_per_step"] - part["ms"]) <= 1e-3 * profile["ms_per_step"]
              for part in parts.values()), parts)
    whole = sum(part["ms"] for part in parts.values())
    check(whole >= 0.999 * profile["ms_per_step"], f"{parts} of {profile['ms_per_step']} ms")
    check(parts["idle"]["ms"] == 0 or whole <= 1.001 * profile["ms_per_step"], parts)
    kernels = sum(kernel["ms"] for kernel in profile["kernels"]) / profile["threads"]
    check(abs(parts["compute"]["ms"] - kernels) <= 1e-3 * kernels, f"{kernels} ms of kernels: {parts}")
    return {name: part["ms"] for name, part in parts.items()}


def one_rank(models, danaus, scratch):
    folder = scratch / "one"
    done = call(danaus, "train", models / "mnist_mlp_low_rank.yaml", *SHORT, "profile.trace=true", "profile.steps=4", "--threads",
                2, "--out", folder)
    check("trace.json" in done.stderr and "ui.perfetto.dev" in done.stderr, f"the user is not told: {done.stderr}")
    spans, totals = read(folder / "trace.json")
    steps = kernels_in_steps(spans, 0, 4)
    check([step["name"] for step in steps] == ["step 6", "step 7", "step 8", "step 9"], steps)
    labels = {event["name"] for event in of_kind(spans[0, "main"], "kernel")}
    check(any("loss" in label for label in labels) and any("update" in label for label in labels), labels)
    check(of_kind(spans[0, "compute 1"], "kernel"), "the second thread did nothing")
    waits = of_kind(spans[0, "main"], "wait")
    check(Counter(event["name"] for event in waits) == {"wait for input": 4}, waits)
    check(of_kind(spans[0, "main"], "input"), "cheap batches are made by the main thread")
    check(totals["steps"] == 4 and totals["spans_left_out"] == 0 and totals["exposed_communication_ms_per_step"] == 0, totals)
    check(0 < totals["input_wait_ms_per_step"] < totals["ms_per_step"], totals)
    parts = parts_of(json.loads((folder / "profile-1.json").read_text()))
    check(parts["communication"] == 0 and parts["input_wait"] > 0, parts)


def no_trace(models, danaus, scratch):
    call(danaus, "train", models / "mnist_mlp_low_rank.yaml", *SHORT, "train.max_steps=2", "--out", scratch / "none", "--quiet")
    check(not (scratch / "none/trace.json").exists(), "a trace that nobody asked for")
    # Fewer steps than are asked for, and no room to warm up.
    call(danaus, "train", models / "mnist_mlp_low_rank.yaml", *SHORT, "train.max_steps=3", "profile.trace=true", "--out",
         scratch / "short", "--quiet")
    kernels_in_steps(read(scratch / "short/trace.json")[0], 0, 3)


def resumed(models, danaus, scratch):
    folder = scratch / "resumed"
    words = [str(word) for word in (danaus, "train", models / "mnist_mlp_low_rank.yaml", "data.validation=57000", "train.epochs=1000",
                                    "profile={trace: true, steps: 2}", "--out", folder, "--quiet")]
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "trace.json").exists() and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    check(run.wait(60) == 75, f"code {run.returncode} after SIGTERM")
    before = (folder / "trace.json").read_bytes()
    words = [word.replace("steps: 2", "steps: 3") for word in words]  # another trace of the same run
    run = subprocess.Popen([*words, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(folder.glob("trace-step-*.json")) and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    check(run.wait(60) == 75, f"code {run.returncode} after SIGTERM")
    check((folder / "trace.json").read_bytes() == before, "the first trace was overwritten")
    spans, _ = read(next(folder.glob("trace-step-*.json")))
    steps = of_kind(spans[0, "main"], "step")  # somewhere in the run: an epoch's evaluation may stand between them
    check(len(steps) == 3, steps)


def two_ranks(models, danaus, scratch):
    folder = scratch / "two"
    call(danaus, "train", models / "mnist_mlp_low_rank.yaml", *SHORT, "profile.trace=true", "--nproc", 2, "--out", folder, "--quiet")
    spans, totals = read(folder / "trace.json")
    sums = {}
    for rank in (0, 1):
        kernels_in_steps(spans, rank, 5)
        sums[rank] = of_kind(spans[rank, "communication"], "communication")
        check(sums[rank] and all(event["name"].startswith("all-reduce") for event in sums[rank]), f"rank {rank}: {sums[rank]}")
        waits = [event for event in of_kind(spans[rank, "main"], "wait") if event["name"] == "wait for all-reduce"]
        check(len(waits) >= 5, f"rank {rank}: {waits}")
    check(Counter(e["name"] for e in sums[0]) == Counter(e["name"] for e in sums[1]), "the ranks add up different things")
    check(totals["exposed_communication_ms_per_step"] > 0 and totals["communication_ms_per_step"] > 0, totals)
    parts = parts_of(json.loads((folder / "profile-1.json").read_text()))
    check(parts["communication"] > 0 and parts["input_wait"] > 0, parts)


def pictures(models, danaus, scratch):
    """Batches that threads make ahead."""
    call(danaus, "train", models / "mnist_mlp.yaml", *SHORT, "profile.trace=true", "data.augment=[random_crop]", "--out",
         scratch / "pictures", "--quiet")
    spans, _ = read(scratch / "pictures/trace.json")
    check(any(of_kind(events, "input") for (_, thread), events in spans.items() if thread.startswith("input")), list(spans))


def profiled(models, danaus, scratch):
    path = scratch / "profile.json"
    words = [danaus, "profile", models / "mnist_mlp.yaml", "--steps", 3, "--trace", path]
    call(*words)
    spans, totals = read(path)
    kernels_in_steps(spans, 0, 3)
    check(totals["steps"] == 3, totals)
    done = call(*words, code=2)
    check("exists: name another file, or --force overwrites it" in done.stderr, done.stderr)
    call(*words, "--force")
    done = call(danaus, "profile", models / "mnist_mlp.yaml", "--trace", scratch / "no/such/folder.json", code=9)


def ranges(models, danaus, scratch):
    """The same spans as ranges for NVIDIA's tools, in a run that writes no trace."""
    path = scratch / "ranges"
    tool = danaus.parent.parent / "test/lib/libdanaus_test_nvtx_injection.so"
    words = [danaus, "train", models / "mnist_mlp_low_rank.yaml", *SHORT, "train.max_steps=3", "--threads", 2, "--quiet", "--out"]
    call(*words, scratch / "ranges-run", env={"NVTX_INJECTION64_PATH": tool, "DANAUS_TEST_NVTX_FILE": path})
    lines = path.read_text().splitlines()
    check(any(line.endswith(" is compute 1") for line in lines), lines[:5])
    check(not any(line.startswith("wrong") for line in lines), lines)
    steps = [line.split(" ", 2) for line in lines if " 0 step " in line]
    check([text for _, _, text in steps] == ["step 1", "step 2", "step 3"], steps)
    main = steps[0][0]
    kernels = [line.split(" ", 2) for line in lines if " contract " in line or " chain " in line]
    check(any(thread == main and depth == "1" for thread, depth, _ in kernels), "no kernels in the main thread's steps")
    check(any(thread != main and depth == "0" for thread, depth, _ in kernels), "the second thread sent nothing")
    done = call(*words, scratch / "no-tool", env={"NVTX_INJECTION64_PATH": "/no/such/tool.so"})
    check("warning: while opening the library of NVTX_INJECTION64_PATH" in done.stderr, done.stderr)


def by_layer(models, danaus, scratch):
    """The layers' times add up to the kernels'; shares of fused kernels are marked."""
    found = json.loads(call(danaus, "profile", models / "mnist_mlp_low_rank.yaml", "--steps", 2, "--json").stdout)
    kernels, layers = sum(row["ms"] for row in found["kernels"]), {row["layer"]: row for row in found["by_layer"]}
    check(abs(sum(row["ms"] for row in layers.values()) - kernels) <= 1e-3 * kernels, found)
    check({"input", "hidden.0", "hidden.3", "output", "update"} <= set(layers), list(layers))
    check(layers["hidden.1"]["structure"] == "low_rank r=16" and layers["hidden.1"]["estimated"], layers["hidden.1"])
    check(layers["update"]["structure"] is None and not layers["update"]["estimated"], layers["update"])
    check(found["ms_per_step"] > 0, found["ms_per_step"])
    shown = call(danaus, "profile", models / "mnist_mlp_low_rank.yaml", "--steps", 2, "--threads", 1).stdout
    check("ms on 1 thread, medians of 2 steps on made-up data" in shown and "hidden.2" in shown, shown)


def parts(models, danaus, scratch):
    """Made-up data are waited for by nobody, those of the model are; the same numbers in each form."""
    words = [danaus, "profile", models / "mnist_mlp_low_rank.yaml", "--steps", 3]
    made_up, real = (json.loads(call(*words, *more, "--json").stdout) for more in ((), ("--data",)))
    check(parts_of(made_up)["input_wait"] == 0 and parts_of(real)["input_wait"] > 0, "waiting for input")
    check("made-up" in made_up["taken"] and "training images" in real["taken"], (made_up["taken"], real["taken"]))
    shown = call(*words, "--data").stdout
    foot = [line.split() for line in shown.splitlines()[-4:]]
    check([line[0] for line in foot] == ["compute", "communication", "input", "idle"], shown)
    check(float(foot[2][2]) > 0 and foot[1][1] == "0.000", shown)
    row = next(csv.DictReader(call(*words, "--csv", "--data").stdout.splitlines()))
    whole = sum(float(row[f"{part}_ms"]) for part in real["time"])
    check(abs(whole - float(row["step_ms"])) <= 1e-3 * whole or float(row["idle_ms"]) == 0, row)
    forward = json.loads(call(*words, "--forward", "--data", "--json").stdout)
    check(parts_of(forward)["input_wait"] > 0, forward["time"])
    cropped = call(*words, "--data", "--json", "data.augment=[random_crop]")  # by threads, ahead
    check(parts_of(json.loads(cropped.stdout))["input_wait"] > 0, "batches that are made ahead")
    done = call(*words, "--data", "data.dir=/no/such/folder", code=4)
    check("/no/such/folder" in done.stderr, done.stderr)


def counted(models, danaus, scratch):
    """What Linux counts, which virtual machines have too; of a processor's counters, those or why not."""
    words = [danaus, "profile", models / "mnist_mlp_low_rank.yaml", "--steps", 3, "--json", "--threads", 2]
    found = json.loads(call(*words, "--counters", "software").stdout)
    if found["counters"] is None:
        print("not checked:", found["no_counters"])  # a container that forbids them
    else:
        check(found["counters"] == "software" and found["no_counters"] is None, found)
        kernels = found["kernels"]
        check(all(row["counted_steps"] == 3 and row["page_faults"] >= 0 for row in kernels), kernels)
        clock = sum(row["task_clock_ns"] for row in kernels) * 1e-6 / 3
        check(clock > 0.1 * sum(row["ms"] for row in kernels), f"{clock} ms on the CPU: {kernels}")
    found = json.loads(call(*words).stdout)
    check((found["counters"] is None) == bool(found["no_counters"]), found)
    if found["counters"]:
        check(all(row["cycles"] > 0 and row["instructions"] > 0 for row in found["kernels"]), found)
    else:
        shown = call(*[word for word in words if word != "--json"]).stdout
        check("No counters of the processor: " + found["no_counters"] in shown, shown)
    check("cycles" not in call(*words, "--counters", "none").stdout, "counters that nobody wanted")


def main():
    models, programs, scratch = (pathlib.Path(word) for word in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for part in (one_rank, no_trace, resumed, two_ranks, pictures, profiled, by_layer, parts, counted, ranges):
        part(models, programs / "danaus", scratch)


if __name__ == "__main__":
    main()
