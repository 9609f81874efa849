#!/usr/bin/env python3
"""Every spec of models/ compiles, and its summary gives the exact published or derived counts.

  run.py MODELS_FOLDER BIN_FOLDER
"""
import json
import pathlib
import subprocess
import sys


def mlp(inputs, width, hidden, outputs, hidden_macs):
    """(params, MACs): dense first and last layer, `hidden` layers of `hidden_macs` weights and a bias."""
    weights = inputs * width + hidden * hidden_macs + width * outputs
    return weights + width * (1 + hidden) + outputs, weights


GOLDEN = {
    "mnist_mlp": (167818, 167168),
    "mnist_mlp_low_rank": (118666, 118016),
    "mnist_mlp_monarch": mlp(784, 128, 4, 10, 2 * 4 * 32 * 32),
    "mnist_mlp_large": (2508298, mlp(784, 512, 8, 10, 512 * 512)[1]),
    "mnist_mlp_large_low_rank": (935434, mlp(784, 512, 8, 10, 2 * 64 * 512)[1]),
}


def main():
    models, programs = (pathlib.Path(argument) for argument in sys.argv[1:3])
    specs = sorted(models.glob("*.yaml"))
    assert {spec.stem for spec in specs} == set(GOLDEN), "models/ and the golden counts name different models"
    for spec in specs:
        text = subprocess.run([programs / "danaus", "summary", spec, "--json"], check=True, capture_output=True).stdout
        summary = json.loads(text)
        found = summary["params"], summary["macs"]
        assert found == GOLDEN[spec.stem], f"{spec.stem}: {found}, expected {GOLDEN[spec.stem]}"
        assert sum(layer["params"] for layer in summary["layers"]) == summary["params"], spec.stem
        assert summary["planned_bytes"] > 4 * summary["params"] * 4, spec.stem
        print(f"{spec.stem}: {found[0]:,} parameters, {found[1]:,} MACs")


if __name__ == "__main__":
    main()
