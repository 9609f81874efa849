"""What every peer shares: its command line, the clock, and the JSON line that it answers with.

  PEER.py --probe                       the framework and its version, as JSON
  PEER.py SPEC.yaml --batch B [...]     one line of JSON: ms (median), best_ms, worst_ms, steps, first_step_ms,
                                        peak_bytes, params, name, version
"""
import argparse
import json
import statistics
import time


def parse(framework):
    parser = argparse.ArgumentParser(description=f"Times a training step of a spec in {framework}, on made-up data.")
    parser.add_argument("spec", nargs="?", help="a spec (.yaml)")
    parser.add_argument("--probe", action="store_true", help="print the framework and its version, and end")
    parser.add_argument("--batch", type=int, help="samples of a step [the spec's train.batch_size]")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation [1]")
    parser.add_argument("--seconds", type=float, default=3, help="how long to repeat the step [3]")
    parser.add_argument("--forward", action="store_true", help="inference in place of a training step")
    parser.add_argument("--layer", action="store_true",
                        help="only the one linear of the spec: forward, and without --forward also its gradients "
                             "(input, weights, bias)")
    parser.add_argument("--compile", action="store_true", help="compile the network (torch.compile; JAX always does)")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 products, float32 weights and updates")
    arguments = parser.parse_args()
    if not arguments.probe and not arguments.spec:
        parser.error("no spec given")
    return arguments


def load(arguments):
    """The parsed spec, and the batch."""
    try:
        import yaml
    except ImportError as error:
        raise SystemExit("peer: reading specs needs PyYAML in this python: install it (Debian: python3-yaml)") from error
    try:
        with open(arguments.spec, encoding="utf-8") as file:
            spec = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        raise SystemExit(f"peer: cannot read the spec '{arguments.spec}': {error}") from error
    return spec, arguments.batch or spec["train"]["batch_size"]


def peak_bytes():
    """The largest resident size so far. Not getrusage: its maximum survives exec."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def run(step, seconds):
    """Times `step`, which returns when its work is done: a first call, a warm-up, then `seconds`, at least 3 calls."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    warm = time.perf_counter() + min(1.0, seconds / 3)
    step()
    while time.perf_counter() < warm:
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return {"ms": statistics.median(times), "best_ms": min(times), "worst_ms": max(times), "steps": len(times),
            "first_step_ms": 1e3 * first}


def answer(values, **more):
    print(json.dumps({**values, "peak_bytes": peak_bytes(), **more}))
