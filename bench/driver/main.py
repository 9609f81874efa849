"""From the command line to the report."""
import json
import os
import pathlib
import sys

from driver import arguments, cases, kernels, machine, peers, report, rounds
from driver.danaus import Danaus
from driver.errors import BenchError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure(options):
    """Everything that was asked for: the text of the report, its numbers, and whether all peers did their part."""
    danaus = Danaus(options.build, options)
    if "kernels" in options.only:
        kernels.program_of(options.build)  # missing programs are told before the work
    steps, layers = cases.cases_of(options, ROOT, made_folder(options.build / "bench" / "layers"))
    others = peers.all_peers(options, ROOT)
    facts = {"rounds": options.rounds, "seconds": options.seconds, "threads": options.threads}
    versions = {"Danaus": danaus.name}
    if others:
        versions["peers"] = ", ".join(peer.title for peer in others)
    described = machine.describe(options)
    step_results = rounds.measure_all(steps, danaus, others, options, progress)
    layer_results = rounds.measure_all(layers, danaus, others, options, progress)
    kernel_rows = kernels.measure(options, progress) if "kernels" in options.only else []
    for result in step_results + layer_results:
        for title, reason in result.failures.items():
            progress(f"no figure for {result.case.title} of {title}: {reason}")
    complete = not any(result.failures for result in step_results + layer_results)
    text = report.markdown(facts, described, versions, step_results, layer_results, others, kernel_rows)
    return text, report.as_json(facts, described, versions, step_results, layer_results, kernel_rows), complete


def made_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"cannot make the folder '{path}': {error.strerror}") from error
    return path


def write(options, text, values):
    try:
        if options.markdown:
            options.markdown.write_text(text, encoding="utf-8")
        else:
            print(text, end="")
        if options.json:
            options.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write '{error.filename}': {error.strerror}") from error


def main(words):
    options = arguments.parse(words, ROOT)
    here = pathlib.Path.cwd()
    options.build, options.markdown, options.json = (
        path and here / path for path in (options.build, options.markdown, options.json))
    options.what = [os.path.abspath(word) if word.endswith(".yaml") else word for word in options.what]
    os.chdir(ROOT)  # the commands of the report are relative to it
    try:
        text, values, complete = measure(options)
        write(options, text, values)
    except BenchError as error:
        print(f"bench/run: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench/run: stopped", file=sys.stderr)
        return 130
    return 0 if complete else 1
