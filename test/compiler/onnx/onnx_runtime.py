#!/usr/bin/env python3
"""Exported models compute in ONNX Runtime what `danaus predict` says of the same images.

  onnx_runtime.py MODELS_FOLDER BIN_FOLDER SCRATCH_FOLDER

Ends with 77 (skipped) where onnxruntime is not installed for this python.
"""
import json
import math
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import zlib

try:
    import numpy
    import onnxruntime
except ImportError as problem:
    print(f"skipped: {problem}")
    sys.exit(77)

BATCH = 4
# Specs of models/, and what is overridden: blocks that do not divide the sizes.
SPECS = {
    "mnist_mlp": [],
    "mnist_mlp_low_rank": [],
    "mnist_mlp_monarch": ["structure.0.nblocks=3"],
    "mnist_mlp_pufferfish": [],
    "fashion_vit_tiny": ["train.dtype=f32"],
    "fashion_vit_tiny_monarch": [],
}
MIXER = """name: mixer
model:
  input: {shape: [1, 28, 28]}
  layers:
    - patch_embed: {patch: 7, dim: 30}
    - residual: [layer_norm, {mlp: {name: token_mlp, hidden: 20, over: tokens, activation: gelu_tanh}}]
    - residual: [layer_norm, {mlp: {name: channel_mlp, hidden: 50}}]
    - layer_norm
    - mean_tokens
    - linear: {name: head, out: 10}
structure: [{match: "channel_mlp.*", kind: monarch, nblocks: 4}, {match: "head", kind: block_diagonal, nblocks: 3}]
data: {name: fashion_mnist, validation: 5000}
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def write_png(path, pixels):
    """28 x 28 grey values."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(pixels[28 * y:28 * y + 28]) for y in range(28))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    models, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    generator = random.Random(5)
    images, paths = [], []
    for i in range(BATCH + 2):  # more than a batch
        pixels = [generator.randrange(256) for _ in range(784)]
        images.append(pixels)
        paths.append(scratch / f"{i}.png")
        write_png(paths[-1], pixels)
    (scratch / "mixer.yaml").write_text(MIXER)

    def run(*arguments):
        done = subprocess.run([programs / "danaus", *map(str, arguments)], capture_output=True, text=True)
        check(done.returncode == 0, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    specs = {name: (models / f"{name}.yaml", overrides) for name, overrides in SPECS.items()}
    specs["mixer"] = (scratch / "mixer.yaml", [])
    for name, (spec, overrides) in specs.items():
        folder = scratch / name
        phases = ["train.phases.0.epochs=1", "train.phases.1.epochs=1"] if "pufferfish" in name else ["train.epochs=1"]
        run("train", spec, *overrides, *phases, "train.max_steps=12", f"train.batch_size={BATCH}", "optimizer.lr=0.001",
            "data.normalize=none", "--out", folder, "--quiet")
        said = json.loads(run("predict", folder, *paths, "--top", 10, "--json"))["images"]
        for batch in ([], ["--batch", str(len(images))]):
            run("export", folder, "--onnx", scratch / "m.onnx", "--force", *batch)
            session = onnxruntime.InferenceSession(scratch / "m.onnx", providers=["CPUExecutionProvider"])
            shape = session.get_inputs()[0].shape
            check(shape[0] == ("batch" if not batch else len(images)), shape)
            x = numpy.array(images, dtype=numpy.float32).reshape(len(images), *shape[1:]) / 255
            (logits,) = session.run(None, {"input": x})
            worst = 0
            for row, answer in zip(logits.astype(numpy.float64), said):
                total = math.log(sum(math.exp(z) for z in row))
                for each in answer["classes"]:
                    worst = max(worst, abs(row[each["class"]] - total - math.log(each["probability"])))
            print(f"{name} {' '.join(batch)}: logarithms of probabilities differ by at most {worst:.1e}")
            check(worst <= 1e-5, f"{name}: {worst}")


if __name__ == "__main__":
    main()
