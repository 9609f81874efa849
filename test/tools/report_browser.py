#!/usr/bin/env python3
"""report.html of real runs in a real browser: it renders without a message on the console and without a request, draws
every chart, and its tables hold the numbers of the run's files.

  report_browser.py BIN_FOLDER SCRATCH_FOLDER [SCREENSHOT_FOLDER]

Where there is no Chromium the test is skipped (exit code 77). With a third argument it keeps pictures.
"""
import html.parser
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

SPEC = """name: tiny
model:
  input: {shape: [8, 8]}
  layers:
    - flatten
    - linear: {name: input, out: 48, activation: relu}
    - linear: {name: hidden, out: 48, activation: relu}
    - linear: {name: output, out: 4}
structure:
  - {match: hidden, kind: low_rank, rank: 8}
data: {name: npy, dir: ., validation: 100}
train: {batch_size: 20, clip_grad_norm: 1.0, PHASES}
optimizer: {type: adam, lr: 2.0e-3}
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def write_npy(path, kind, shape, data):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def write_data(folder):
    """Images with a bright quarter, which is the label."""
    source = random.Random(1)
    for name, count in (("train", 500), ("test", 100)):
        labels = [source.randrange(4) for _ in range(count)]
        pixels = bytearray()
        for label in labels:
            for y in range(8):
                for x in range(8):
                    pixels.append(source.randrange(120) + (100 if y // 4 * 2 + x // 4 == label else 0))
        write_npy(folder / f"{name}_images.npy", "|u1", (count, 8, 8), bytes(pixels))
        write_npy(folder / f"{name}_labels.npy", "<i8", (count,), struct.pack(f"<{count}q", *labels))


class Page(html.parser.HTMLParser):
    """Tables by the heading before them, as rows of texts; attributes of the body; what is asked for elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.heading, self.row, self.cell, self.body, self.wanted = {}, "", None, None, {}, []
        self.canvases, self.scripts, self.in_heading, self.in_data, self.data = [], 0, False, False, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("h2", "h3"):
            self.heading, self.in_heading = "", True
        elif tag == "tr":
            self.row = []
            self.tables.setdefault(self.heading, []).append(self.row)
        elif tag in ("td", "th"):
            self.cell = []
        elif tag == "body":
            self.body = attributes
        elif tag == "canvas":
            self.canvases.append(attributes)
        elif tag == "script":
            self.scripts += 1
            self.in_data = attributes.get("id") == "data"
        for key in ("src", "href"):
            if key in attributes and not attributes[key].startswith("#"):
                self.wanted.append(attributes[key])

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)
        if self.in_heading:
            self.heading += data
        if self.in_data and self.data is None:
            self.data = json.loads(data)

    def handle_endtag(self, tag):
        if tag in ("h2", "h3"):
            self.in_heading = False
        elif tag in ("td", "th") and self.cell is not None:
            self.row.append("".join(self.cell))
            self.cell = None


class Browser:
    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch
        # A proxy that is not there: a request would fail with a message on the console.
        self.flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                      "--disable-extensions", "--disable-background-networking", "--disable-component-update",
                      "--disable-sync", "--proxy-server=127.0.0.1:9", f"--user-data-dir={scratch}/profile",
                      "--hide-scrollbars", "--run-all-compositor-stages-before-draw", "--virtual-time-budget=4000"]

    def run(self, page, *flags):
        done = subprocess.run([self.program, *self.flags, "--enable-logging=stderr", "--v=0", *flags,
                               page.resolve().as_uri()], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "HOME": str(self.scratch)})
        check(done.returncode == 0, f"{page}: the browser ends with {done.returncode}\n{done.stderr}")
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        check(not console, f"{page}: on the console\n" + "\n".join(console))
        return done.stdout

    def dom(self, page):
        return Page(self.run(page, "--dump-dom"))

    def picture(self, page, to, width, height, *flags):
        self.run(page, f"--screenshot={to}", f"--window-size={width},{height}", *flags)
        check(to.read_bytes().startswith(b"\x89PNG"), f"{to} is a picture")


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def compare_with_files(page, run, chart_count):
    """Every number of the tables that is also in a file of the run."""
    check(page.body.get("data-charts") == str(chart_count), f"{chart_count} charts: {page.body}")
    check(len(page.canvases) == chart_count, f"{chart_count} canvases")
    check(all(int(canvas.get("width", 0)) > 100 for canvas in page.canvases[:4]), "charts have a size")
    check(not page.wanted, f"the page asks for {page.wanted}")
    table = page.tables["Epochs"][1:]
    epochs = [row for row in rows_of(run) if "epoch" in row]
    check(len(table) == len(epochs) > 0, "a row for each epoch")
    for row, epoch in zip(table, epochs):
        expected = [str(epoch["epoch"]), f"{epoch['train_loss']:.4f}", f"{epoch['val_loss']:.4f}",
                    f"{epoch['val_accuracy']:.4f}", f"{epoch['lr']:.3g}", f"{epoch['grad_norm']:.3g}",
                    f"{epoch['seconds']:.2f} s",
                    f"{int(epoch['images_per_s']):,}"]
        check(row == expected, f"{row} of the page, {expected} of metrics.jsonl")


def compare_kernels(page, run, phase):
    return compare_profile(page, json.loads((run / f"profile-{phase}.json").read_text()))


def compare_profile(page, profile):
    parts = {row[0].replace(" ", "_"): row for row in page.tables["Where the time of a step went"][1:]}
    check(list(parts) == list(profile["time"]), f"{parts}, {profile['time']}")
    for name, part in profile["time"].items():
        check(parts[name][1:3] == [f"{part['ms']:.3f}", f"{100 * part['share']:.1f} %"], f"{parts[name]}, {part}")
    roofs = page.data["rooflines"][-1]["roofs"]
    limit = profile["limit"]
    check([roof["name"] for roof in roofs] == [each["name"] for each in limit["of_products"]] + ["second-level cache"], roofs)
    check(all(roof["flops"] == each["flops"] and roof["bytes_per_second"] == limit["bytes_per_second"]
              for roof, each in zip(roofs, limit["of_products"])), f"{roofs}, {limit}")
    check(roofs[-1]["bytes_per_second"] == limit["cache_bytes_per_second"], roofs)
    table = {row[0]: row for row in page.tables["Kernels"][1:]}
    check(len(table) == len(profile["kernels"]), "a row for each kernel")
    for kernel in profile["kernels"]:
        row = table[kernel["kernel"]]
        check(row[1:4] == [kernel["kind"], f"{kernel['launches']:,}", f"{1e3 * kernel['ms']:.1f}"], f"{row}, {kernel}")
        names = [name for label in kernel["layers"] for name in label.split(" ", 1)[-1].split(", ")]
        check(kernel["kind"] == "update" or row[8] == ", ".join(dict.fromkeys(names)), f"{row}, {names}")
    layers = {row[0]: row for row in page.tables["Layers"][1:]}
    for layer in profile["by_layer"]:
        mark = "~" if layer["estimated"] else ""
        check(layers[layer["layer"]][6] == f"{mark}{1e3 * layer['ms']:.1f}", f"{layers[layer['layer']]}, {layer}")
    return layers


def main():
    programs, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    pictures = pathlib.Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        print("skipped: no chromium here (Debian's package chromium)")
        sys.exit(77)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    write_data(scratch)
    browser = Browser(browser, scratch)

    def danaus(*arguments, code=0):
        done = subprocess.run([programs / "danaus", *arguments], capture_output=True, text=True)
        check(done.returncode == code, f"{arguments}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    spec = scratch / "tiny.yaml"
    spec.write_text(SPEC.replace("PHASES", "epochs: 4"))
    run = scratch / "run"
    done = danaus("train", spec, "--out", run, "--log-every", "1", "--quiet")
    check(done.stdout.strip().endswith(f"{run}/report.html"), "training ends with the name of the page")
    page = browser.dom(run / "report.html")
    # loss, accuracy, lr, seconds, loss of steps, norm, roofline
    compare_with_files(page, run, 7)
    summary = json.loads((run / "summary.json").read_text())
    text = (run / "report.html").read_text()
    check(f"<b>{summary['test_accuracy']:.4f}</b><small>test accuracy" in text, "test accuracy")
    check(f"<b>{summary['params']:,}</b>" in text and f"<b>{summary['macs']:,}</b>" in text, "parameters, MACs")
    layers = compare_kernels(page, run, 1)
    said = json.loads(danaus("summary", run, "--json").stdout)
    for layer in said["layers"]:
        row = layers[layer["name"]]
        check(row[1:5] == [layer["structure"], f"{layer['in']:,} \u2192 {layer['out']:,}", f"{layer['params']:,}",
                           f"{layer['macs']:,}"], f"{row}, {layer}")
    check(layers["total"][3] == f"{said['params']:,}", layers["total"])
    memory = page.tables["Memory of a step"]
    check([row[0] for row in memory[1:4]] == ["parameters", "gradients", "optimizer state and averages"], memory)
    check(any("chain" in row[0] or "contract" in row[0] for row in memory), f"values of kernels: {memory}")
    fused = [rows for name, rows in page.tables.items() if name.startswith("Training step:")][0]
    check(fused[0][0] == "kernel" and any("apart" in cell for cell in fused[0]), f"what is fused: {fused[0]}")
    check(dict(page.tables["Environment"])["threads"].isdigit(), "environment")
    check("rank: 8" in text, "the resolved spec")

    # Made again it is the same; the other end of a run, and an interrupted one, have a page too.
    before = (run / "report.html").read_bytes()
    check(danaus("report", run).stdout == f"{run}/report.html\n", "it says what it wrote")
    check((run / "report.html").read_bytes() == before, "the same page")
    danaus("report", run, "-o", scratch / "other.html")
    check((scratch / "other.html").read_bytes() == before, "-o")
    check("--force overwrites it" in danaus("report", run, "-o", scratch / "other.html", code=2).stderr, "kept")
    check("-o takes the page of one RUN" in danaus("report", run, run, "-o", "x.html", code=2).stderr, "one page")
    check("is no folder" in danaus("report", scratch / "absent", code=2).stderr, "no folder")
    check("holds no metrics.jsonl" in danaus("report", scratch, code=2).stderr, "no run")

    # A profile of the run makes its page anew, with what is measured then, and nothing else of it.
    def files(folder):
        return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != "report.html"}

    kept = files(run)
    danaus("profile", run, "--forward", "--steps", "2")
    check((run / "report.html").read_bytes() == before, "an evaluation has no page")
    danaus("profile", run, "--steps", "2", "--report", scratch / "elsewhere.html")
    check((run / "report.html").read_bytes() == before, "--report FILE is written in its place")
    done = danaus("profile", run, "--steps", "2", "--json")
    check(done.stderr.endswith(f"{run}/report.html: made anew with these times\n"), done.stderr)
    check(files(run) == kept, "nothing else of the run changes")
    page = browser.dom(run / "report.html")
    compare_with_files(page, run, 7)
    compare_profile(page, json.loads(done.stdout))
    check(browser.dom(scratch / "elsewhere.html").tables["Epochs"] == page.tables["Epochs"], "the curves of the run")
    check("medians of 2 steps on made-up data" in (run / "report.html").read_text(), "it says what the times are of")
    danaus("report", run)
    check((run / "report.html").read_bytes() == before, "the times of the run again")

    # Phases: each has its own times; no timing where the spec says so.
    spec.write_text(SPEC.replace("PHASES", "phases: [{epochs: 2, structure: dense}, {epochs: 2}]"))
    phased = scratch / "phased"
    danaus("train", spec, "--out", phased, "--quiet")
    page = browser.dom(phased / "report.html")
    compare_with_files(page, phased, 5 + 2)
    check((phased / "profile-1.json").exists() and (phased / "profile-2.json").exists(), "times of both phases")
    border = json.loads((phased / "phase-2.json").read_text())
    check(page.tables["Phases"][2][6:8] == [f"{border['loss_before']:.4f}", f"{border['loss_after']:.4f}"],
          page.tables["Phases"])
    spec.write_text(SPEC.replace("PHASES", "epochs: 1"))
    untimed = scratch / "untimed"
    danaus("train", spec, "profile.timed_steps=0", "--out", untimed, "--quiet")
    check(not (untimed / "profile-1.json").exists(), "timed_steps=0")
    compare_with_files(browser.dom(untimed / "report.html"), untimed, 5)

    stopped = scratch / "stopped"
    process = subprocess.Popen([programs / "danaus", "train", spec, "train.epochs=100000", "--out", stopped, "--quiet"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(600):
        if (stopped / "metrics.jsonl").exists() and len(rows_of(stopped)) > 1:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    check(process.returncode == 75, f"stopped on request: {process.returncode}")
    check("Not finished" in (stopped / "report.html").read_text(), "an interrupted run has a page")
    compare_with_files(browser.dom(stopped / "report.html"), stopped, 6)

    # A profile alone, and what the browser makes of other pages.
    danaus("profile", spec, "--steps", "3", "--report", scratch / "profile.html")
    page = browser.dom(scratch / "profile.html")
    check(page.body.get("data-charts") == "1" and len(page.tables["Kernels"]) > 1, "the page of a profile")
    check("--force overwrites it" in danaus("profile", spec, "--report", scratch / "profile.html", code=2).stderr, "kept")
    check("leave --forward out" in danaus("profile", spec, "--forward", "--report", "x.html", code=2).stderr, "forward")
    for name, rank in (("a", 8), ("b", 2)):
        text = SPEC.replace("PHASES", "epochs: 2").replace("name: tiny", f"name: {name}")
        (scratch / f"{name}.yaml").write_text(text.replace("rank: 8", f"rank: {rank}"))
    danaus("compare", scratch / "a.yaml", scratch / "b.yaml", "--seeds", "2", "--out", scratch / "both")
    page = browser.dom(scratch / "both/compare.html")
    check(page.body.get("data-charts") == "1" and [row[0] for row in page.tables[""]] == ["model", "a", "b"],
          "the page of a comparison")
    danaus("plot", run, phased, "-o", scratch / "loss.svg")
    browser.picture(scratch / "loss.svg", scratch / "loss.png", 920, 600)

    # Text of a spec is text: names are refused (danausc), paths are free.
    odd = scratch / "<img src=x onerror=alert(1)>"
    odd.mkdir()
    for file in scratch.glob("*.npy"):
        shutil.copy(file, odd)
    spec.write_text(SPEC.replace("PHASES", "epochs: 1").replace("dir: .", f'dir: "{odd.name}"'))
    danaus("train", spec, "--out", scratch / "odd", "--quiet")
    page = browser.dom(scratch / "odd/report.html")
    check(page.scripts == 3 and not page.wanted, "no element comes from a spec")
    check("&lt;img src=x" in (scratch / "odd/report.html").read_text(), "the path is shown")

    # Screens, phones and paper.
    sizes = {"light": (1180, 1500), "phone": (500, 1100)}
    for name, (width, height) in sizes.items():
        browser.picture(run / "report.html", scratch / f"{name}.png", width, height)
    browser.picture(run / "report.html", scratch / "dark.png", 1180, 1500, "--blink-settings=preferredColorScheme=0")
    check((scratch / "dark.png").read_bytes() != (scratch / "light.png").read_bytes(), "dark is another picture")
    browser.run(run / "report.html", f"--print-to-pdf={scratch}/page.pdf", "--no-pdf-header-footer")
    check((scratch / "page.pdf").read_bytes().startswith(b"%PDF"), "it can be printed")
    check(len(re.findall(rb"/Type\s*/Page\b", (scratch / "page.pdf").read_bytes())) < 20, "on a few sheets")
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        for name in ("light.png", "dark.png", "phone.png", "loss.png", "page.pdf"):
            shutil.copy(scratch / name, pictures)
    print("ok")


if __name__ == "__main__":
    main()
