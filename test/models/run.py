#!/usr/bin/env python3
"""Every spec of models/ compiles, and its summary gives the exact published or derived counts.

  run.py MODELS_FOLDER BIN_FOLDER
"""
import json
import pathlib
import subprocess
import sys


def linear(inputs, outputs, bias=True, nblocks=0):
    """(params, MACs per row) of a dense (nblocks = 0) or Monarch linear."""
    weights = inputs * outputs
    if nblocks:
        p, s = -(-inputs // nblocks), -(-outputs // nblocks)
        weights = nblocks * min(p, s) * (p + s)
    return weights + (outputs if bias else 0), weights


class Counts:
    """Parameters and MACs per image, added up layer by layer from the formulas of docs/Counts.md."""

    def __init__(self):
        self.params = self.macs = 0

    def add(self, rows, *sizes, **options):
        params, macs = linear(*sizes, **options)
        self.params += params
        self.macs += rows * macs
        return self

    def total(self):
        return self.params, self.macs


def mlp(inputs, width, hidden, outputs, hidden_macs):
    """Dense first and last layer, `hidden` layers of `hidden_macs` weights and a bias."""
    weights = inputs * width + hidden * hidden_macs + width * outputs
    return weights + width * (1 + hidden) + outputs, weights


def vit(pixels, tokens, classes, dim=768, depth=8, hidden=2304, qkv_bias=False, nblocks=0):
    """`tokens` with the class token; `pixels` in a patch, over all channels."""
    counts = Counts().add(tokens - 1, pixels, dim).add(1, dim, classes)
    counts.params += dim + tokens * dim + 2 * dim  # class token, positions, last norm
    for _ in range(depth):
        counts.params += 4 * dim  # two norms
        counts.macs += 2 * tokens * tokens * dim
        for _ in "qkv":
            counts.add(tokens, dim, dim, bias=qkv_bias, nblocks=nblocks)
        counts.add(tokens, dim, dim, nblocks=nblocks)
        counts.add(tokens, dim, hidden, nblocks=nblocks).add(tokens, hidden, dim, nblocks=nblocks)
    return counts.total()


def mixer(dim, depth, token_hidden, hidden, nblocks=0, tokens=196, pixels=768, classes=1000):
    counts = Counts().add(tokens, pixels, dim).add(1, dim, classes)
    counts.params += 2 * dim
    for _ in range(depth):
        counts.params += 4 * dim
        counts.add(dim, tokens, token_hidden).add(dim, token_hidden, tokens)
        counts.add(tokens, dim, hidden, nblocks=nblocks).add(tokens, hidden, dim, nblocks=nblocks)
    return counts.total()


TINY = {"pixels": 16, "tokens": 50, "classes": 10, "dim": 64, "depth": 4, "hidden": 256, "qkv_bias": True}

GOLDEN = {
    "mnist_mlp": (167818, 167168),
    "mnist_mlp_low_rank": (118666, 118016),
    "mnist_mlp_monarch": mlp(784, 128, 4, 10, 2 * 4 * 32 * 32),
    "mnist_mlp_large": (2508298, mlp(784, 512, 8, 10, 512 * 512)[1]),
    "mnist_mlp_pufferfish": (118666, mlp(784, 128, 4, 10, 2 * 16 * 128)[1]),
    "mnist_mlp_pufferfish_energy": mlp(784, 128, 4, 10, 2 * 56 * 128),  # the largest ranks that pay
    "mnist_mlp_large_low_rank": (935434, mlp(784, 512, 8, 10, 2 * 64 * 512)[1]),
    "vit_s16": (48754408, 9888884736),
    "vit_s16_monarch": (20442856, 4311508992),
    "vit_b16": (86567656, 17563828224),
    "vit_b16_monarch": (33483496, 7106248704),
    "mixer_b16": (59880472, 12601767936),
    "mixer_b16_monarch": (20952088, 4971804672),
    "mixer_s16": mixer(512, 8, 256, 2048),
    "mixer_s16_monarch": (6993928, 1516228608),
    "cifar10_vit_s4_monarch": vit(48, 65, 10, nblocks=4),
    "fashion_vit_tiny": vit(**TINY),
    "fashion_vit_tiny_monarch": vit(**TINY, nblocks=4),
}

# The formulas against the integers above.
FORMULAS = {
    "vit_s16": vit(768, 197, 1000),
    "vit_s16_monarch": vit(768, 197, 1000, nblocks=4),
    "vit_b16": vit(768, 197, 1000, depth=12, hidden=3072, qkv_bias=True),
    "vit_b16_monarch": vit(768, 197, 1000, depth=12, hidden=3072, qkv_bias=True, nblocks=4),
    "mixer_b16": mixer(768, 12, 384, 3072),
    "mixer_b16_monarch": mixer(768, 12, 384, 3072, nblocks=4),
    "mixer_s16_monarch": mixer(512, 8, 256, 2048, nblocks=4),
}


# Bytes that a training step at batch 8 may plan: what PyTorch needed for it, and less.
MEMORY = {"vit_s16": 1.7e9, "vit_s16_monarch": 1.4e9}


def check_memory(programs, models):
    for name, limit in MEMORY.items():
        command = [programs / "danaus", "summary", models / f"{name}.yaml", "train.batch_size=8", "--json"]
        planned = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["planned_bytes"]
        assert planned <= limit, f"{name}: a step at batch 8 plans {planned:,} bytes, more than {limit:,.0f}"
        recomputed = json.loads(subprocess.run([*command, "train.recompute=true"], check=True,
                                               capture_output=True).stdout)["planned_bytes"]
        assert recomputed < 0.85 * planned, f"{name}: recompute plans {recomputed:,} bytes, without {planned:,}"


def main():
    models, programs = (pathlib.Path(argument) for argument in sys.argv[1:3])
    specs = sorted(models.glob("*.yaml"))
    assert {spec.stem for spec in specs} == set(GOLDEN), "models/ and the golden counts name different models"
    for name, counts in FORMULAS.items():
        assert counts == GOLDEN[name], f"{name}: the formula gives {counts}, expected {GOLDEN[name]}"
    for spec in specs:
        # At the batch that the spec says: a plan of 100 GiB must not cost memory.
        result = subprocess.run([programs / "danaus", "summary", spec, "--json"], check=True, capture_output=True)
        # What a structure gains depends on the machine's limits, measured when nobody knows how busy it is.
        warnings = [line for line in result.stderr.decode().splitlines()
                    if "predicted to gain" not in line and "will be chosen by the weights" not in line]
        assert not warnings, f"{spec.stem}: {warnings}"
        summary = json.loads(result.stdout)
        found = summary["params"], summary["macs"]
        assert found == GOLDEN[spec.stem], f"{spec.stem}: {found}, expected {GOLDEN[spec.stem]}"
        assert sum(layer["params"] for layer in summary["layers"]) == summary["params"], spec.stem
        assert sum(layer["macs"] for layer in summary["layers"]) == summary["macs"], spec.stem
        assert summary["planned_bytes"] > 4 * summary["params"] * 4, spec.stem
        print(f"{spec.stem}: {found[0]:,} parameters, {found[1]:,} MACs")
    check_memory(programs, models)


if __name__ == "__main__":
    main()
