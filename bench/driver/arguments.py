"""The command line of bench/run, checked."""
import argparse
import pathlib

from driver import cases, commands

SECTIONS = ("steps", "layers", "kernels")
EPILOG = """examples:
  bench/run                                                   all that docs/Performance.md holds, without peers
  bench/run --peer-python ~/torch/bin/python --peer-compile   the same, beside PyTorch eager and compiled
  bench/run vit_s16_monarch mixer_b16 --rounds 5              two models
  bench/run 'monarch_*' --threads 1                           the single Monarch layers
  bench/run --only kernels                                    shares of the machine's limits

A peer is whatever of PyTorch and JAX a python has; it needs PyYAML too. Nothing is installed by this program.
"""


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def sections(text):
    chosen = text.split(",")
    for name in chosen:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(SECTIONS)}")
    return chosen


def seconds(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError
    return value


positive.__name__ = "whole number of at least 1"
seconds.__name__ = "number of seconds"


def parser(root):
    cores = len(commands.allowed_cores())
    it = argparse.ArgumentParser(
        prog="bench/run", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Measures Danaus, and peers beside it in interleaved rounds; prints Markdown for "
                    "docs/Performance.md.")
    it.add_argument("what", nargs="*", metavar="WHAT",
                    help="a model of models/, a layer, a glob of them, or the path of a spec: only these "
                         f"[{len(cases.STEPS)} models, {len(cases.layer_names())} layers, the kernels]")
    it.add_argument("--only", type=sections, default=list(SECTIONS), metavar="A,B",
                    help=f"sections of the report: {', '.join(SECTIONS)} [all; with WHAT no kernels]")
    it.add_argument("--rounds", type=positive, default=3, help="interleaved rounds [3]")
    it.add_argument("--seconds", type=positive, default=3, help="how long a step is repeated in a round [3]")
    it.add_argument("--threads", type=positive, default=cores, help=f"threads of everybody [{cores}, all cores]")
    it.add_argument("--batch", type=positive, default=0, help="samples of a step [as in docs/Performance.md]")
    it.add_argument("--forward", action="store_true", help="evaluation steps of the models too")
    it.add_argument("--kernels", default=".", metavar="REGEX",
                    help="which kernels: chain/.*avx512 [all]; danaus_bench_kernels --benchmark_list_tests names them")
    it.add_argument("--kernel-seconds", type=seconds, default=0.5, metavar="S",
                    help="how long a kernel is repeated in a round [0.5]")
    it.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                    help="a value of the spec, for Danaus only: train.recompute=true; may be repeated")
    it.add_argument("--peer-python", action="append", default=[], metavar="PATH",
                    help="a python that has PyTorch or JAX; may be repeated")
    it.add_argument("--peer-compile", action="store_true", help="PyTorch through torch.compile too")
    it.add_argument("--peer-bf16", action="store_true", help="peers in bfloat16 (autocast)")
    it.add_argument("--build", type=pathlib.Path, default=root / "build" / "release", metavar="DIR",
                    help="the folder of a build [build/release]")
    it.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write the tables there [standard output]")
    it.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every number of every round there")
    return it


def parse(words, root):
    it = parser(root)
    options = it.parse_args(words)
    cores = len(commands.allowed_cores())
    if options.threads > cores:
        it.error(f"--threads: {options.threads} threads, but this process may use {cores} core"
                 f"{'s' if cores != 1 else ''}")
    if (options.peer_compile or options.peer_bf16) and not options.peer_python:
        it.error("--peer-compile and --peer-bf16 need a peer: --peer-python PATH")
    for entry in options.set:
        if "=" not in entry:
            it.error(f"--set: '{entry}' is not KEY=VALUE")
    if options.what:
        options.only = [name for name in options.only if name != "kernels"]
    for path in (options.markdown, options.json):
        if path and not path.absolute().parent.is_dir():
            it.error(f"there is no folder '{path.absolute().parent}' for '{path}'")
    return options
