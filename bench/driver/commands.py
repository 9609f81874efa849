"""Starting programs: on so many cores, with a cleaned environment; their answer is a line of JSON."""
import json
import os
import shlex
import subprocess

from driver.errors import BenchError

# PyTorch keeps the pages of freed tensors with these; without them every step maps and clears them again.
ALLOCATORS = {
    "default malloc": {},
    "tuned malloc": {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "17179869184",
        "MALLOC_TOP_PAD_": "268435456",
    },
}


def allowed_cores():
    return sorted(os.sched_getaffinity(0))


def pinned(command, threads):
    """Only the first `threads` of the cores that this process may use."""
    cores = allowed_cores()
    if threads >= len(cores):
        return list(command)
    return ["taskset", "-c", ",".join(map(str, cores[:threads])), *command]


def environment(extra):
    """Ours without OPENBLAS_* and settings of malloc; OpenMP's threads sleep while they wait."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "MALLOC_"))}
    return {**kept, "OMP_WAIT_POLICY": "passive", **extra}


def text(command, extra=None):
    """How a user would type it at the root of the tree; a python by its bare name."""
    words = [os.path.relpath(word) if str(word).startswith(os.getcwd() + os.sep) else str(word) for word in command]
    words = [os.path.basename(word) if os.path.basename(word).startswith("python") else word for word in words]
    variables = [f"{key}={value}" for key, value in (extra or {}).items()]
    return shlex.join([*variables, *words])


def run(command, extra=None):
    """What the program printed. Fails with its own words."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, env=environment(extra or {}), capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"cannot start '{words[0]}': {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise BenchError(f"this command ended with code {done.returncode}:\n  {text(command, extra)}\n"
                         + "\n".join("  " + line for line in said[-6:]))
    return done.stdout


def answer(command, extra=None):
    """The last line that the program printed, as JSON (libraries may print before)."""
    lines = run(command, extra).strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise BenchError(f"this command printed no JSON:\n  {text(command, extra)}") from error
