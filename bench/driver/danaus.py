"""Danaus itself: `danaus bench`, and from its launches what one layer takes."""
import json

from driver import commands
from driver.cases import LAYER_NAME
from driver.errors import BenchError


class Danaus:
    def __init__(self, build, options):
        self.build, self.options = build, options
        self.program, self.compiler = build / "bin" / "danaus", build / "bin" / "danausc"
        for program in (self.program, self.compiler):
            if not program.is_file():
                raise BenchError(f"'{program}' is not built: cmake --preset release && cmake --build --preset release, "
                                 "or name the folder of a build with --build")
        self.name = commands.run([self.compiler, "--version"]).strip()

    def command(self, case):
        words = [self.program, "bench", case.spec, *self.options.set, "--threads", self.options.threads, "--json"]
        words += ["--batch", case.batch] if case.batch else []
        words += ["--forward"] if case.forward else []
        words += ["--per-kernel"] if case.layer else []
        return commands.pinned([*words, "--seconds", self.options.seconds], self.options.threads)

    def measure(self, case):
        """{"ms", "best_ms", "peak_bytes", "batch", ...} of one run."""
        row = commands.answer(self.command(case))
        row["ms"] = row.pop("ms_per_step")
        if case.layer:
            share = layer_share(row.pop("launches"))
            row["ms"], row["best_ms"] = row["ms"] * share, row["best_ms"] * share
        return row

    def parameters(self, case):
        """Of the whole spec, or of a layer's one linear."""
        summary = json.loads(commands.run([self.program, "summary", case.spec, *self.options.set, "--json"]))
        if case.layer:
            return next(layer["params"] for layer in summary["layers"] if layer["name"] == LAYER_NAME)
        return summary["params"]


def layer_share(launches):
    """The share of a step's time that belongs to the layer: products, packing, sums of its gradients; not the update."""
    def mine(launch):
        return launch["label"].split(" ", 1)[1:] == [LAYER_NAME]
    total = sum(launch["thread_ms"] for launch in launches)
    layer = sum(launch["thread_ms"] for launch in launches if mine(launch))
    if not layer > 0:
        raise BenchError("no launch is the layer's alone: " + "; ".join(launch["label"] for launch in launches))
    return layer / total
