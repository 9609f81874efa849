#!/usr/bin/env python3
"""Weights of one structure in a model of another, as users do it.

  convert_run.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

A dense network is trained for some steps. With every singular value kept a low-rank network is the same function; with
16 of them it is near, and trains on from train.init. Ranks follow from the weights. Monarch to dense changes nothing.
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


def stable_rank(values, side):
    """Sum of the squared singular values by the largest, by the power method."""
    rows = [values[i * side:(i + 1) * side] for i in range(side)]
    vector = [1.0 + i % 3 for i in range(side)]
    for _ in range(300):
        image = [sum(a * b for a, b in zip(row, vector)) for row in rows]
        vector = [sum(rows[i][j] * image[i] for i in range(side)) for j in range(side)]
        length = sum(v * v for v in vector) ** 0.5
        vector = [v / length for v in vector]
    return sum(v * v for v in values) / length


def tensor(path, name):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end])


def check_ranks_by_weights(run, scratch, weights, low_rank, models):
    # The least rank that keeps the energy, rounded up to a multiple of 8: what is lost is at most 1 - E of the squares,
    # and with 8 fewer it would be more.
    spec, out = scratch / "energy.yaml", scratch / "energy.safetensors"
    rows = json.loads(run("convert", weights, low_rank, "--energy", "0.7", "--spec", spec, "-o", out, "--json"))["layers"]
    check(len(rows) == 4 and all(row["relative_error"] ** 2 <= 0.3 for row in rows), rows)
    ranks = {row["name"]: int(row["to"].removeprefix("low_rank r=")) for row in rows}
    check(all(rank % 8 == 0 and rank < 64 for rank in ranks.values()), ranks)
    rules = ", ".join(f"{{match: {name}, kind: low_rank, rank: {rank - 8}}}" for name, rank in ranks.items())
    fewer = json.loads(run("convert", weights, low_rank, f"structure=[{rules}]", "-o", scratch / "fewer.safetensors", "--json"))
    check(all(row["relative_error"] ** 2 > 0.3 for row in fewer["layers"]), fewer)
    for name, rank in ranks.items():
        check(f"{{match: {name}, kind: low_rank, rank: {rank}}}" in spec.read_text(), spec.read_text())
    run("eval", spec, "--weights", out)

    # By the stable rank, beside that of random weights of this size: 128 * 128 / (2 sqrt(128))^2 = 32.
    rows = json.loads(run("convert", weights, low_rank, "--stable-rank", "--spec", scratch / "stable.yaml", "-o",
                          scratch / "stable.safetensors", "--json"))["layers"]
    wanted = {}
    for i in range(4):
        rank = min(1, stable_rank(tensor(weights, f"hidden.{i}.weight"), 128) / 32) * 128
        rank = -(-rank // 8) * 8
        if rank < 64:
            wanted[f"hidden.{i}"] = f"low_rank r={rank:.0f}"
    check({row["name"]: row["to"] for row in rows} == wanted and wanted, f"{rows} for {wanted}")

    nothing = scratch / "none.safetensors"
    for options, model, words in [
            (["--energy", "1.5", "--spec", nothing], low_rank, "--energy '1.5' is not a number above 0 and at most 1"),
            (["--energy", "0.5"], low_rank, "need --spec FILE"),
            (["--spec", nothing], low_rank, "--spec needs --energy or --stable-rank"),
            (["--energy", "0.5", "--stable-rank", "--spec", nothing], low_rank, "give one"),
            (["--energy", "0.5", "--spec", spec], low_rank, "exists"),
            (["--energy", "0.5", "--spec", nothing], models / "mnist_mlp_pufferfish.yaml", "has several phases"),
            (["--energy", "0.5", "--spec", nothing], models / "mnist_mlp_monarch.yaml", "has no low-rank linear")]:
        message = run("convert", weights, model, *options, "-o", nothing, code=2)
        check(words in message and not nothing.exists(), message)


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    danaus = programs / "danaus"
    dense, low_rank, monarch = (models / f"{name}.yaml" for name in ("mnist_mlp", "mnist_mlp_low_rank", "mnist_mlp_monarch"))

    def run(*arguments, code=0):
        done = subprocess.run([danaus, *arguments], capture_output=True, text=True)
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def loss(spec, weights, *options):
        return json.loads(run("eval", spec, *options, "--weights", weights, "--json"))["loss"]

    run("train", dense, "train.epochs=1", "train.max_steps=300", "--out", scratch / "dense", "--quiet")
    weights = scratch / "dense/checkpoints/best/model.safetensors"
    start = loss(dense, weights)

    # All singular values: the same function, to rounding.
    whole = scratch / "whole.safetensors"
    rows = json.loads(run("convert", scratch / "dense", low_rank, "structure.0.rank=128", "-o", whole, "--json"))["layers"]
    check([row["name"] for row in rows] == [f"hidden.{i}" for i in range(4)], rows)
    check(all(row["relative_error"] <= 1e-12 and row["to"] == "low_rank r=128" for row in rows), rows)
    check(abs(loss(low_rank, whole, "structure.0.rank=128") - start) <= 1e-5 * start, "full rank is the same function")

    # The loss of a batch: the same with all singular values, more with 16 of them.
    for rank in (128, 16):
        out = scratch / f"rank{rank}.safetensors"
        found = json.loads(run("convert", weights, low_rank, f"structure.0.rank={rank}", "-o", out, "--json", "--loss"))
        before, after = found["loss_before"], found["loss_after"]
        check(0.1 < before < 2 and (abs(after - before) <= 1e-5 * before if rank == 128 else after > before), found)
    text = run("convert", whole, models / "mnist_mlp_pufferfish.yaml", "-o", scratch / "phases.safetensors", "--loss")
    check("loss of a batch, before and after" in text, text)

    # 16 of 128: worse, but nothing like a new network's 2.3.
    short = scratch / "short.safetensors"
    table = run("convert", weights, low_rank, "-o", short)
    check("hidden.3" in table and "16,384" in table and "4,096" in table, table)
    check(start < loss(low_rank, short) <= 2.0, "rank 16")
    message = run("convert", weights, low_rank, "-o", short, code=2)
    check("exists" in message, message)
    message = run("convert", weights, low_rank, "structure.0.rank=1", "-o", scratch / "no.safetensors", "--loss", "--max-loss-rise",
                  "0.0001", code=5)
    check("the loss of a batch rises by" in message and not (scratch / "no.safetensors").exists(), message)
    message = run("convert", weights, low_rank, "-o", scratch / "no.safetensors", "--max-loss-rise", "1", code=2)
    check("--max-loss-rise needs --loss" in message, message)
    message = run("convert", weights, low_rank, "-o", scratch / "no.safetensors", "--max-error", "0.1", code=5)
    check("above the limit of 0.1" in message and not (scratch / "no.safetensors").exists(), message)
    message = run("convert", weights, models / "fashion_vit_tiny.yaml", "-o", scratch / "no.safetensors", code=5)
    check("does not fit the model" in message and "missing; the model has" in message, message)

    check_ranks_by_weights(run, scratch, weights, low_rank, models)

    # A checkpoint's folder is weights too; a wrong table of names is said before the work.
    run("convert", scratch / "dense/checkpoints/last", low_rank, "-o", scratch / "last.safetensors")
    message = run("convert", weights, low_rank, "-o", scratch / "no.safetensors", "--to", "timm", code=2)
    check("is neither a file nor one of timm-vit" in message and not (scratch / "no.safetensors").exists(), message)
    names = scratch / "names.txt"
    names.write_text("layer_*.kernel hidden.*.weight # theirs, ours\n")
    run("convert", weights, dense, "-o", scratch / "theirs.safetensors", "--to", names)
    run("convert", scratch / "theirs.safetensors", dense, "-o", scratch / "ours.safetensors", "--from", names)
    check(b"layer_0.kernel" in (scratch / "theirs.safetensors").read_bytes(), "their names are written")
    check((scratch / "ours.safetensors").read_bytes().endswith(weights.read_bytes()[-1000:]), "and read again")

    # Monarch and back to dense.
    blocks, back = scratch / "monarch.safetensors", scratch / "back.safetensors"
    run("convert", weights, monarch, "-o", blocks)
    run("convert", blocks, dense, "-o", back)
    one, two = loss(monarch, blocks), loss(dense, back)
    check(abs(one - two) <= 1e-5 * one, f"Monarch {one}, multiplied out {two}")

    # Training goes on from dense weights.
    done = subprocess.run([danaus, "train", low_rank, f"train.init={weights}", "train.epochs=1", "train.max_steps=50", "--out",
                           scratch / "tuned"], capture_output=True, text=True, check=True)
    check("4 linears converted (dense to low_rank r=16" in done.stderr, done.stderr)
    check(loss(low_rank, scratch / "tuned/checkpoints/best") < loss(low_rank, short), "50 steps help")


if __name__ == "__main__":
    main()
