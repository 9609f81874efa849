#!/usr/bin/env python3
"""danaus advise, as users call it: without weights, with those of a run and of weights that are low-rank by construction,
measured; the spec that it writes is one; and every wrong call.

  advise_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def write_safetensors(path, tensors):
    """tensors: name -> (shape, list of floats)."""
    header, offset, data = {}, 0, b""
    for name, (shape, values) in tensors.items():
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, len(data)]}
        offset = len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    spec = models / "mnist_mlp.yaml"

    def run(*arguments, code=0, program="danaus"):
        done = subprocess.run([programs / program, *arguments], capture_output=True, text=True)
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    # Without weights: a quarter of the smaller side, and the small layer stays dense.
    done = run("advise", spec)
    check("hidden.0" in done.stdout and "structure=[{match:" in done.stdout, done.stdout)
    check("output stays dense: a side has fewer than 32 features" in done.stderr, done.stderr)
    plain = {row["name"]: row for row in json.loads(run("advise", spec, "--json").stdout)["layers"]}
    check(list(plain) == ["input", *(f"hidden.{i}" for i in range(4)), "output"], list(plain))
    check(plain["hidden.0"]["rank"] == 32 and plain["hidden.0"]["energy"] is None, plain["hidden.0"])
    check(plain["output"]["proposal"] == "dense", plain["output"])

    # Weights of rank 5 and Monarch's: the ranks and errors are what was put in.
    tensors = {}
    for name, (n, m) in {"input": (784, 128), **{f"hidden.{i}": (128, 128) for i in range(4)}, "output": (128, 10)}.items():
        tensors[f"{name}.bias"] = ([m], [0.0] * m)
        if name == "hidden.1":  # block k of the columns by rows l mod 4: every part of rank 8
            values = [sum(((o * 7 + t * 5) % 11 - 5) * ((i * 3 + t * 13) % 17 - 8) for t in range(8)) / 100.0
                      for o in range(m) for i in range(n)]
        else:
            values = [sum(((o + 2) ** (t + 1) % 19 - 9) * ((i + 3) ** (t + 1) % 23 - 11) for t in range(5)) / 100.0
                      for o in range(m) for i in range(n)]
        tensors[f"{name}.weight"] = ([m, n], values)
    weights = scratch / "made.safetensors"
    write_safetensors(weights, tensors)
    rows = {row["name"]: row for row in json.loads(run("advise", spec, "--weights", weights, "--energy", "0.9999999", "--json")
                                                   .stdout)["layers"]}
    check(rows["hidden.0"]["rank"] <= 8 and rows["hidden.0"]["energy"] > 0.999999, rows["hidden.0"])
    check(rows["hidden.0"]["proposal"] == f"kind: low_rank, rank: {rows['hidden.0']['rank']}", rows["hidden.0"])
    check(rows["hidden.1"]["monarch_error"] < 1e-6, rows["hidden.1"])
    check(1 <= rows["input"]["stable_rank"] <= 5, rows["input"])

    # Of a real run; the spec that is written is the same model with that structure.
    run("train", spec, "train.epochs=1", "data.validation=50000", "--out", scratch / "run", "--quiet")
    advised = scratch / "advised.yaml"
    table = run("advise", spec, "--weights", scratch / "run", "--energy", "0.6", "-o", advised).stdout
    check("low_rank" in table or "monarch" in table, table)
    summary = json.loads(run("summary", advised, "--json").stdout)
    check(summary["params"] < 167818 and any(row["structure"] != "dense" for row in summary["layers"]), summary)
    message = run("advise", spec, "-o", advised, code=2).stderr
    check("exists: name another file" in message, message)

    # Measured: times are there, and nothing slower than dense is proposed.
    measured = json.loads(run("advise", spec, "--measure", "--json").stdout)["layers"]
    for row in measured:
        if row["name"] != "output":
            check(row["dense_ms"] > 0 and row["low_rank_ms"] > 0 and row["monarch_ms"] > 0, row)
            chosen = {"d": row["dense_ms"], "kind: l": row["low_rank_ms"], "kind: m": row["monarch_ms"]}
            key = next(key for key in ("kind: l", "kind: m", "d") if row["proposal"].startswith(key))
            check(chosen[key] <= row["dense_ms"], row)

    # A spec with phases is looked at as dense, in one phase.
    run("advise", models / "mnist_mlp_pufferfish.yaml")

    for arguments, code, words in (
            ([spec, "--energy", "2"], 2, "--energy '2' is not a number"),
            ([spec, "--nblocks", "0"], 2, "give 1 or more"),
            ([scratch / "run"], 2, "is no spec"),
            ([spec, "--weights", scratch / "absent"], 5, "absent"),
            ([models / "fashion_vit_tiny.yaml", "--weights", weights], 5, "does not fit the model")):
        message = run("advise", *arguments, code=code).stderr
        check(words in message, message)


if __name__ == "__main__":
    main()
