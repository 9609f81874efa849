#!/usr/bin/env python3
"""Writes phases/init.safetensors and phases/expected.json: what PyTorch makes of phases/spec.yaml.

  make_phases.py FOLDER_OF_FASHION_MNIST        (needs PyTorch and safetensors; no test runs it)

Nothing here is Danaus': the conversions are written from their definitions. The layer fc1 is dense, then of rank 16, then
Monarch with 4 blocks, then dense; each time with a new optimizer.
"""
import gzip
import json
import pathlib
import sys

import numpy
import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, linear, relu

BLOCKS, RANK, STEPS, BATCH = 4, 16, 7, 128


def low_rank(w):
    u, s, vt = torch.linalg.svd(w.double(), full_matrices=False)
    root = s[:RANK].sqrt()
    return [(root[:, None] * vt[:RANK]).float(), (u[:, :RANK] * root).float()]


def low_rank_weight(factors):
    return factors[1] @ factors[0]


def monarch(w):
    """Of every pair of blocks the best product of as many columns and rows as hidden features lead through it."""
    out, n = w.shape
    p, s = n // BLOCKS, out // BLOCKS
    q = min(p, s)
    first, second = torch.zeros(BLOCKS, q, p, dtype=torch.double), torch.zeros(BLOCKS, s, q, dtype=torch.double)
    for k in range(BLOCKS):
        for l in range(BLOCKS):
            u, sigma, vt = torch.linalg.svd(w.double()[l::BLOCKS, k * p:(k + 1) * p], full_matrices=False)
            through = [j for j in range(k * q, (k + 1) * q) if j % BLOCKS == l]
            for t, j in enumerate(through):
                first[k, j - k * q] = sigma[t].sqrt() * vt[t]
                second[l, :, j // BLOCKS] = sigma[t].sqrt() * u[:, t]
    return [first.float(), second.float()]


def monarch_weight(factors):
    """The map of each unit vector."""
    first, second = factors
    x = torch.eye(first.shape[0] * first.shape[2])
    h = torch.einsum("nki,kai->nka", x.view(len(x), BLOCKS, -1), first).reshape(len(x), -1)
    y = torch.einsum("ncl,loc->nol", h.view(len(x), -1, BLOCKS), second)
    return y.reshape(len(x), -1).T


WAYS = [(lambda w: [w], lambda f: f[0], 1), (low_rank, low_rank_weight, 1), (monarch, monarch_weight, 0.5),
        (lambda w: [w], lambda f: f[0], 1)]


def main():
    data = pathlib.Path(sys.argv[1])
    read = lambda name, skip: numpy.frombuffer(gzip.open(data / name).read(), dtype=numpy.uint8, offset=skip)
    images = torch.tensor(read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:STEPS * BATCH] / 255.0, dtype=torch.float32)
    labels = torch.tensor(read("train-labels-idx1-ubyte.gz", 8)[:STEPS * BATCH].astype(numpy.int64))
    torch.manual_seed(0)
    sizes = {"fc0": (784, 128), "fc1": (128, 96), "fc2": (96, 10)}
    start = {}
    for name, (n, m) in sizes.items():
        layer = torch.nn.Linear(n, m)
        start[f"{name}.weight"], start[f"{name}.bias"] = layer.weight.detach().clone(), layer.bias.detach().clone()
    folder = pathlib.Path(__file__).parent / "phases"
    save_file(start, folder / "init.safetensors")

    others = {name: value.clone().requires_grad_() for name, value in start.items() if name != "fc1.weight"}
    weight, losses = start["fc1.weight"], []
    for convert, multiply, scale in WAYS:
        factors = [factor.clone().requires_grad_() for factor in convert(weight)]
        groups = [{"params": [v for n, v in others.items() if n.endswith("weight")] + factors},
                  {"params": [v for n, v in others.items() if n.endswith("bias")], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=0.0005 * scale, weight_decay=0.05)
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            x = relu(linear(images[rows], others["fc0.weight"], others["fc0.bias"]))
            x = relu(linear(x, multiply(factors), others["fc1.bias"]))
            loss = cross_entropy(linear(x, others["fc2.weight"], others["fc2.bias"]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        weight = multiply(factors).detach()
    (folder / "expected.json").write_text(json.dumps({"loss": losses}, indent=1) + "\n")


if __name__ == "__main__":
    main()
