#!/usr/bin/env python3
"""ONNX files as users meet them.

  onnx_run.py MODELS_FOLDER ONNX_FOLDER BIN_FOLDER SCRATCH_FOLDER

A run is exported and comes back by a spec of kind: onnx: the same structures, the same loss, and training goes on from
the file's weights. The file of another program (ONNX_FOLDER) becomes weights of a spec of layers. What cannot work says so.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def main():
    models, networks, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:5])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    model, file, spec, run_folder = (scratch / name for name in ("model.dnb", "net.onnx", "net.yaml", "run"))
    monarch = models / "mnist_mlp_monarch.yaml"

    def run(*arguments, code=0):
        done = subprocess.run([programs / "danaus", *map(str, arguments)], capture_output=True, text=True,
                              env={**os.environ, "XDG_CACHE_HOME": str(scratch / "cache")})
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def refused(code, text, *arguments):
        said = run(*arguments, code=code)
        check(text in said, f"{arguments}: no '{text}' in {said}")

    def score(*arguments):
        said = json.loads(run("eval", *arguments, "--json"))
        return said["loss"], said["accuracy"]

    def structures(which):
        return [(row["structure"], row["in"], row["out"], row["params"])
                for row in json.loads(run("summary", which, "--json"))["layers"]]

    # Out, and back in.
    run("train", monarch, "train.epochs=1", "train.max_steps=200", "--out", run_folder, "--quiet")
    said = run("export", run_folder, "--onnx", file)
    check(said.startswith(f"{file}: ") and "KiB" in said, said)
    spec.write_text("name: net\nmodel: {kind: onnx, file: net.onnx}\ndata: {name: fashion_mnist, validation: 5000}\n"
                    "train: {epochs: 1, batch_size: 128, max_steps: 50}\n")
    check(structures(spec) == structures(monarch), structures(spec))
    check(("monarch N=4", 128, 128, 8320) in structures(spec), structures(spec))
    trained = score(run_folder)
    check(trained[0] < 1.2 and score(spec, "--weights", file) == trained, f"{trained} {score(spec, '--weights', file)}")

    # Training begins with the file's weights, and the run knows its spec.
    before = file.stat().st_mtime_ns
    run("train", spec, "--out", scratch / "further", "--quiet")
    check(score(scratch / "further")[0] < 1.1, f"{score(scratch / 'further')}, but it began with {trained}")
    config = (scratch / "further/config.yaml").read_text()
    check("kind: onnx" in config and config.count(str(file)) == 2, config)  # model.file and train.init
    run("export", scratch / "further", "--onnx", scratch / "further.onnx", "--batch", 7)
    check(file.stat().st_mtime_ns == before, "the file that was read was written")

    # Another file under the same name is another model.
    wide = models / "mnist_mlp.yaml"
    weights = scratch / "wide/checkpoints/best/model.safetensors"
    run("train", wide, "train.epochs=1", "train.max_steps=1", "--out", scratch / "wide", "--quiet")
    run("export", wide, "--weights", weights, "--onnx", file, "--force")
    check(structures(spec) == structures(wide), structures(spec))
    # From one file to another, through a spec.
    run("export", spec, "--weights", file, "--onnx", scratch / "again.onnx")
    check((scratch / "again.onnx").stat().st_size > 600_000, "weights are missing")

    # The weights of a file for a spec of layers.
    layers = scratch / "layers.yaml"
    layers.write_text("name: layers\nmodel:\n  input: {shape: [1, 6, 6]}\n  layers:\n    - flatten\n"
                      "    - linear: {name: first, out: 24}\n    - linear: {name: second, out: 20}\n"
                      "    - linear: {name: last, out: 5}\n"
                      'structure: [{match: "first", kind: low_rank, rank: 4}]\ndata: {name: mnist, resize: 6}\n')
    names = scratch / "names"
    names.write_text("1.up.bias first.bias\n1.down.weight first.down.weight\n1.up.weight first.up.weight\n"
                     "3.u second.down.weight\n3.v second.up.weight\n3.bias second.bias\n5.* last.*\n")
    said = run("convert", networks / "low_rank_dynamo.onnx", layers, "--from", names, "-o", scratch / "w.safetensors")
    check("second" in said and "low_rank r=3" in said, said)

    # What cannot work.
    refused(2, "--onnx FILE is required", "export", run_folder)
    refused(2, "exists: name another file, or --force overwrites it", "export", run_folder, "--onnx", file)
    model.write_bytes(b"")
    refused(2, "it no longer knows its layers", "export", model, "--onnx", scratch / "x.onnx")
    refused(2, "holds no config.yaml", "export", models, "--onnx", scratch / "x.onnx")
    refused(2, "needs the spec (.yaml)", "export", run_folder, "train.epochs=2", "--onnx", scratch / "x.onnx")
    refused(2, "give --weights FILE", "export", monarch, "--onnx", scratch / "x.onnx")
    refused(5, "does not fit the model", "export", monarch, "--weights", weights, "--onnx", scratch / "x.onnx")
    refused(2, "--phase 2: 'mnist_mlp' has 1 phase", "export", wide, "--weights", weights, "--onnx", scratch / "x.onnx",
            "--phase", 2)
    refused(9, "cannot", "export", wide, "--weights", weights, "--onnx", scratch / "absent/x.onnx")
    refused(3, "leave the rules out", "summary", spec, 'structure=[{match: "*", kind: low_rank, rank: 2}]')
    refused(3, "the name of an ONNX file ends in .onnx", "summary", spec, "model.file=net.pb")
    refused(3, "absent.onnx", "summary", spec, "model.file=absent.onnx")
    refused(3, "'layers' goes only with kind: layers", "summary", spec, "model.layers=[flatten]")
    (scratch / "cut.onnx").write_bytes(file.read_bytes()[:100_000])
    refused(3, "this is no ONNX file, or not all of it", "summary", spec, f"model.file={scratch / 'cut.onnx'}")
    refused(5, "this is no ONNX file, or not all of it", "eval", run_folder, "--weights", scratch / "cut.onnx")
    check(not (scratch / "x.onnx").exists(), "an export that failed left a file")


if __name__ == "__main__":
    main()
