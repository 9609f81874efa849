#!/usr/bin/env python3
"""The batch files for Slurm, with stand-ins for srun and scontrol that start the tasks here.

  slurm_run.py PROJECT_FOLDER BIN_FOLDER SCRATCH_FOLDER

Four tasks on one node, and two times two on two nodes that are both this machine: each trains as four ranks, and the losses are
those of one.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

SRUN = """#!/bin/bash
# A task for each rank, with the variables that srun sets; its own options are left out.
while [[ $1 == --* ]]; do shift; done
nodes=$FAKE_NODES tasks=4 processes=()
for ((task = 0; task < tasks; ++task)); do
  SLURM_PROCID=$task SLURM_LOCALID=$((task % (tasks / nodes))) SLURM_STEP_NUM_TASKS=$tasks SLURM_STEP_NUM_NODES=$nodes \\
    SLURM_STEP_TASKS_PER_NODE="$((tasks / nodes))(x$nodes)" SLURM_STEP_NODELIST=localhost "$@" &
  processes+=($!)
done
code=0
for process in "${processes[@]}"; do wait "$process" || code=$?; done
exit $code
"""
VALUES = ["data.validation=59000", "train.epochs=1", "train.max_steps=6", "log.every=1", "optimizer={type: sgd, lr: 0.05}"]


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def losses(run):
    return [row["loss"] for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if "loss" in row]


def main():
    project, programs, scratch = (pathlib.Path(argument) for argument in sys.argv[1:4])
    project, programs, scratch = project.resolve(), programs.resolve(), scratch.resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    tools = scratch / "tools"
    tools.mkdir(parents=True)
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/sh\necho localhost\necho localhost\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    spec = project / "models/mnist_mlp_low_rank.yaml"
    subprocess.run([programs / "danaus", "train", spec, *VALUES, "--out", scratch / "alone", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    expected = losses(scratch / "alone")
    check(len(expected) == 6, expected)
    for name, nodes in (("one_node", 1), ("two_nodes", 2)):
        run = scratch / name
        environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", FAKE_NODES=str(nodes), OUT=str(run),
                           DANAUS=str(programs / "danaus"), SLURM_JOB_ID=str(os.getpid()), SLURM_JOB_NODELIST="localhost")
        done = subprocess.run(["bash", project / f"slurm/{name}.sbatch", spec, *VALUES], env=environment, cwd=scratch, text=True,
                              capture_output=True, timeout=200)
        check(done.returncode == 0 and "4 ranks of cpu" in done.stdout, f"{name}: code {done.returncode}\n{done.stdout}{done.stderr}")
        found = losses(run)
        worst = max((abs(a - b) / abs(b) for a, b in zip(found, expected)), default=1)
        check(len(found) == 6 and worst <= 1e-5, f"{name}: {worst}, {found} and {expected}")


if __name__ == "__main__":
    main()
