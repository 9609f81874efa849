"""Single kernels: rounds of danaus_bench_kernels (bench/kernels/), which measures them and the limits in turns."""
import json

from driver import commands
from driver.errors import BenchError

COUNTERS = ("share", "best_share", "of_tile", "of_fused", "with_packing", "limit", "GFLOPs", "GBs")


def program_of(build):
    program = build / "bin" / "danaus_bench_kernels"
    if not program.is_file():
        raise BenchError(f"'{program}' is not built: cmake --build --preset release --target danaus_bench_kernels, or "
                         "leave the kernels out: --only steps,layers")
    return program


def command(program, options):
    return commands.pinned([program, "--benchmark_format=json", f"--benchmark_min_time={options.kernel_seconds}",
                            f"--benchmark_filter={options.kernels}"], 1)


def one_round(words):
    """name -> counters; empty where no name matches, for which nothing is printed."""
    text = commands.run(words)
    try:
        rows = json.loads(text)["benchmarks"] if text.strip() else []
    except (ValueError, KeyError) as error:
        raise BenchError(f"this command printed no JSON:\n  {commands.text(words)}") from error
    found = {}
    for row in rows:
        name = row["name"].removesuffix("/manual_time")
        if row.get("error_occurred"):
            raise BenchError(f"{name}: {row.get('error_message') or 'did not run'}")
        found[name] = {key: row[key] for key in COUNTERS if key in row}
    return found


def measure(options, progress):
    """A row for each kernel and instruction set: {"name", "isa", "rounds": [counters, ...]}."""
    program, rows = program_of(options.build), {}
    for number in range(1, options.rounds + 1):
        progress(f"round {number} of {options.rounds}: kernels")
        for name, counters in one_round(command(program, options)).items():
            rows.setdefault(name, []).append(counters)
    if not rows:
        raise BenchError(f"--kernels: no kernel matches '{options.kernels}'")
    return [{"name": name.rpartition("/")[0], "isa": name.rpartition("/")[2], "rounds": rounds}
            for name, rounds in rows.items()]
