"""bench/run with the real danaus, and with a stand-in for a peer's python and for danaus_bench_kernels.

Looks at the shape of the report, at what peers are asked and at every message; at no time.
Usage: driver_test.py SOURCE_FOLDER BUILD_FOLDER
"""
import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(argument) for argument in sys.argv[1:3])
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "bench" / "peers")]
import resolve  # noqa: E402  (after the path is set)
from driver import cases, danaus, errors  # noqa: E402

MLP_PARAMETERS = 167818
# Answers as a python with PyTorch does, faster with the tuned malloc; logs what it was asked.
PEER = r"""#!/bin/sh
echo "$OPENBLAS_NUM_THREADS|$OMP_WAIT_POLICY|$MALLOC_MMAP_MAX_|$*" >>{folder}/asked
case "$*" in
*jax_peer.py*) echo "no module named jax" >&2; exit 1 ;;
*--probe) echo '{{"name": "PyTorch", "version": "9.8+local", "compiles": true}}'; exit ;;
*--compile*) {compiled} ;;
esac
ms=8; [ "$MALLOC_MMAP_MAX_" = 0 ] && ms=4
echo "a line that a library printed"
echo "{{\"ms\": $ms, \"peak_bytes\": 1048576, \"params\": {parameters}}}"
"""
KERNELS = r"""#!/bin/sh
case "$*" in *nothing*) exit ;; esac
echo '{"benchmarks": [
 {"name": "chain/x/forward/avx2/manual_time", "GFLOPs": 50.0, "limit": 100.0, "share": 0.5, "of_tile": 0.625, "with_packing": 0.25},
 {"name": "row/y/avx2/manual_time", "GBs": 3.0, "limit": 4.0, "share": 0.75}]}'
"""


def script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Driver(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.addCleanup(self.scratch.cleanup)

    def run_bench(self, *words, code=0):
        variables = {**os.environ, "OPENBLAS_NUM_THREADS": "7", "MALLOC_MMAP_MAX_": "5"}
        done = subprocess.run([SOURCE / "bench" / "run", *map(str, words)], capture_output=True, text=True, check=False,
                              env=variables, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def bench(self, *words, code=0):
        return self.run_bench("--build", BUILD, "--rounds", 1, "--seconds", 1, "--threads", 1, *words, code=code)

    def peer(self, parameters=MLP_PARAMETERS, compiled=":"):
        text = PEER.format(folder=self.folder, parameters=parameters, compiled=compiled)
        return script(self.folder / "python-stand-in", text)

    def fake_build(self):
        """The real programs, and a stand-in for the kernels'."""
        programs = self.folder / "build" / "bin"
        programs.mkdir(parents=True)
        for name in ("danaus", "danausc"):
            (programs / name).symlink_to(BUILD / "bin" / name)
        script(programs / "danaus_bench_kernels", KERNELS)
        return self.folder / "build"

    def test_a_model_alone(self):
        text = self.bench("mnist_mlp", "--json", "out.json", "--forward")
        for wanted in ("| processor |", "| caches of a core |", "| Danaus | danausc ", "bench models/mnist_mlp.yaml"):
            self.assertIn(wanted, text)
        self.assertIn("| model | batch | Danaus, ms | MiB |\n|---|---|---|---|\n| mnist_mlp | 128 | ", text)
        self.assertRegex(text, r"\n\| mnist_mlp, forward \| 128 \| [0-9.,]+ \| [0-9]+ \|\n")
        self.assertNotIn("## Layers", text)
        row = json.loads((self.folder / "out.json").read_text())["steps"][0]
        self.assertEqual((row["name"], row["batch"], len(row["danaus"]["rounds"])), ("mnist_mlp", 128, 1))
        self.assertLessEqual(row["danaus"]["min_ms"], row["danaus"]["max_ms"])

    def test_a_peer_counts_with_its_better_malloc(self):
        text = self.bench("mnist_mlp", "--peer-python", self.peer(), "--rounds", 2)
        self.assertIn("| PyTorch 9.8, ms | MiB | ratio |", text)
        self.assertRegex(text, r"\| 4\.000 \(4\.000-4\.000\) \* \| 1 \| [0-9.]+ \([0-9.]+-[0-9.]+\) \|")
        self.assertIn("OMP_WAIT_POLICY=passive MALLOC_MMAP_MAX_=0 ", text)
        self.assertIn("python-stand-in bench/peers/torch_peer.py models/mnist_mlp.yaml --batch 128 --threads 1", text)
        self.assertNotIn(str(self.folder), text)
        asked = [line for line in (self.folder / "asked").read_text().splitlines() if "--probe" not in line]
        self.assertEqual(["|".join(line.split("|")[:3]) for line in asked], ["|passive|", "|passive|0"] * 2)

    def test_a_layer(self):
        text = self.bench("dense_768_768", "--batch", 1, "--peer-python", self.peer(parameters=768 * 769))
        self.assertIn("196 rows", text)
        self.assertRegex(text, r"\n\| dense 768 -> 768, forward \| [0-9.,]+ \| 4\.000 \* \| [0-9.]+ \|\n")
        self.assertRegex(text, r"\n\| dense 768 -> 768, forward and gradients \| [0-9.,]+ \| 4\.000 \* \| [0-9.]+ \|\n")
        self.assertIn("--layer --forward", (self.folder / "asked").read_text())

    def test_a_peer_that_fails_ends_nothing(self):
        peer = self.peer(compiled='echo "no compiler here" >&2; exit 3')
        text = self.bench("mnist_mlp", "--peer-python", peer, "--peer-compile", code=1)
        self.assertIn("no figure for mnist_mlp of PyTorch 9.8 compile: this command ended with code 3", text)
        self.assertIn("no compiler here", text)
        self.assertRegex(text, r"\| 4\.000 \* \| 1 \| [0-9.]+ \| - \| - \| - \|")

    def test_another_network_is_no_peer(self):
        text = self.bench("mnist_mlp", "--peer-python", self.peer(parameters=7), code=1)
        self.assertIn("mnist_mlp: PyTorch 9.8 built another network: 7 parameters, ours has 167,818", text)

    def test_kernels(self):
        text = self.bench("--build", self.fake_build(), "--only", "kernels", "--rounds", 2)
        self.assertIn("| kernel | instructions | rate | limit | share | tile | with packing |", text)
        self.assertIn("| chain/x/forward | avx2 | 50.0 GFLOP/s | 100.0 | 50 % (50-50) | 62 % (62-62) | 25 % (25-25) |", text)
        self.assertIn("| row/y | avx2 | 3.0 GB/s | 4.0 | 75 % (75-75) | - | - |", text)

    def test_messages(self):
        build, peer = self.fake_build(), self.peer()
        for words, code, wanted in (
                (["mnist_mpl"], 1, "there is no model or layer 'mnist_mpl'; models: mnist_mlp,"),
                (["gone.yaml"], 1, "there is no spec "),
                (["mnist_mlp", "--build", self.folder], 1, "is not built: cmake --preset release"),
                (["--only", "kernels", "--build", self.folder], 1, "is not built"),
                (["--only", "kernels", "--build", build, "--kernels", "nothing"], 1, "no kernel matches 'nothing'"),
                (["mnist_mlp", "--peer-python", "/no/python"], 1, "there is no program '/no/python'"),
                (["mnist_mlp", "--peer-python", "false"], 1, "'false' has neither PyTorch nor JAX"),
                (["mnist_mlp", "--peer-python", peer, "--peer-python", peer], 1, "two of them have PyTorch 9.8"),
                (["mnist_mlp", "--set", "train.epochs=none"], 1, "ended with code 3"),
                (["mnist_mlp", "--set", "train"], 2, "--set: 'train' is not KEY=VALUE"),
                (["--only", "steps,all"], 2, "'all' is none of steps, layers, kernels"),
                (["--peer-bf16"], 2, "need a peer: --peer-python PATH"),
                (["--rounds", "0"], 2, "argument --rounds"),
                (["--threads", "100000"], 2, "100000 threads, but this process may use"),
                (["--json", "no/folder/x.json"], 2, "there is no folder '")):
            with self.subTest(words=words):
                self.assertIn(wanted, self.bench(*words, code=code))
        self.assertIn("--peer-python PATH", self.run_bench("--help"))


class Parts(unittest.TestCase):
    def test_every_file_is_python(self):
        files = [SOURCE / "bench" / "run", *(SOURCE / "bench").rglob("*.py")]
        self.assertGreater(len(files), 10)
        for file in files:
            ast.parse(file.read_text(encoding="utf-8"), file.name)

    def test_every_model_has_a_batch(self):
        models = {path.stem for path in (SOURCE / "models").glob("*.yaml")}
        self.assertEqual({**cases.STEPS, **cases.OTHER_BATCHES}.keys(), models)

    def test_the_share_of_a_layer(self):
        launches = [{"label": "copy layer", "thread_ms": 1}, {"label": "chain layer", "thread_ms": 2},
                    {"label": "update 4 parameters", "thread_ms": 4}, {"label": "chain layer, loss", "thread_ms": 1}]
        self.assertEqual(danaus.layer_share(launches), 3 / 8)
        with self.assertRaisesRegex(errors.BenchError, "no launch is the layer's alone: update 4 parameters"):
            danaus.layer_share(launches[2:3])

    def test_peers_build_what_the_spec_says(self):
        spec = {"model": {"input": {"shape": [3, 8, 8]}, "layers": [
            {"patch_embed": {"patch": 4, "dim": 6}}, "class_token", "position_embedding",
            {"repeat": 2, "name": "blocks", "layers": [
                {"residual": ["layer_norm", {"attention": {"name": "attn", "heads": 2, "qkv_bias": False}}]},
                {"residual": ["layer_norm", {"mlp": {"name": "mlp", "hidden": 9, "over": "tokens"}}]}]},
            {"select_token": 0}, {"repeat": 1, "name": "hidden", "layers": [{"linear": {"out": 5}}]}]},
            "structure": [{"match": "blocks.*.attn.*", "kind": "monarch", "nblocks": 3},
                          {"match": "hidden.*", "kind": "low_rank", "rank": 0.5}]}
        network = resolve.Network(spec)
        residuals = [op for op in network.ops if op.kind == "residual"]
        self.assertEqual([op.ops[0].name for op in residuals],
                         [f"blocks.{i}.layer_norm_{j}" for i in range(2) for j in range(2)])
        q, fc1 = residuals[2].ops[1].q, residuals[3].ops[1].fc1
        self.assertEqual((q.name, q.kind, q.blocks, q.bias), ("blocks.1.attn.q", "monarch", 3, False))
        self.assertEqual((fc1.name, fc1.kind, fc1.inputs, fc1.outputs), ("blocks.1.mlp.fc1", "dense", 5, 9))
        last = network.ops[-1].linear
        self.assertEqual((last.name, last.rank, last.inputs, network.classes), ("hidden.0", 2, 6, 5))
        with self.assertRaisesRegex(SystemExit, re.escape("the layer 'dropout' is not known here")):
            resolve.Network({"model": {"input": {"shape": [4]}, "layers": ["dropout"]}})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
