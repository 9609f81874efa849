"""The tables, in Markdown as docs/Performance.md has them and as JSON."""
import statistics


def number(value):
    """Four digits or so: 0.3406, 12.34, 1,942."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def spread(samples):
    times = samples.times()
    if len(times) == 1:
        return number(times[0])
    return f"{number(samples.median)} ({number(min(times))}-{number(max(times))})"


def ratio_spread(ratios):
    median = statistics.median(ratios)
    return f"{median:.2f}" if len(ratios) == 1 else f"{median:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def mebibytes(samples):
    return f"{samples.peak / 2 ** 20:,.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def peer_cells(result, title):
    better = result.better(title)
    if not better:
        return ["-", "-", "-"]
    setting, samples = better
    return [f"{spread(samples)}{' *' if setting == 'tuned malloc' else ''}", mebibytes(samples),
            ratio_spread(result.ratios(title))]


def results_table(results, peers, first_column):
    titles = list(dict.fromkeys(peer.title for peer in peers))
    head = [first_column, "batch", "Danaus, ms", "MiB"]
    for title in titles:
        head += [f"{title}, ms", "MiB", "ratio"]
    rows = []
    for result in results:
        row = [f"{result.case.name}{', forward' if result.case.forward else ''}", f"{result.batch:,}",
               spread(result.ours), mebibytes(result.ours)]
        for title in titles:
            row += peer_cells(result, title)
        rows.append(row)
    return table(head, rows)


def layer_name(result):
    direction = "forward" if result.case.forward else "forward and gradients"
    kind, inputs, outputs = result.case.name.rsplit("_", 2)
    return f"{kind} {inputs} -> {outputs}, {direction}"


def layers_table(results, peers):
    titles = list(dict.fromkeys(peer.title for peer in peers))
    head = ["layer", "Danaus, ms"]
    for title in titles:
        head += [f"{title}, ms", "ratio"]
    rows = []
    for result in results:
        row = [layer_name(result), spread(result.ours)]
        for title in titles:
            time, _, ratio = peer_cells(result, title)
            row += [time, ratio]
        rows.append(row)
    return table(head, rows)


KERNELS_NOTE = (
    "One thread, median of {rounds} rounds. A kernel and its limit are measured in turns: for products the rate of "
    "independent multiply-adds in registers (AVX-512 and AVX2 fused; baseline SSE2 multiplications and additions), for "
    "the others a copy of as many bytes. Tile: share of a register tile fed from the first-level cache. With packing: "
    "share if the packing of the kernel's operands is counted too.")


def percent(values):
    median = statistics.median(values)
    text = f"{100 * median:.0f} %"
    return text if len(values) == 1 else f"{text} ({100 * min(values):.0f}-{100 * max(values):.0f})"


def kernels_table(kernels):
    rows = []
    for kernel in kernels:
        def column(key):
            return [counters[key] for counters in kernel["rounds"] if key in counters]
        unit = "GFLOP/s" if column("GFLOPs") else "GB/s"
        rate = column("GFLOPs") or column("GBs")
        rows.append([kernel["name"], kernel["isa"], f"{statistics.median(rate):.1f} {unit}",
                     f"{statistics.median(column('limit')):.1f}", percent(column("share")),
                     *(percent(column(key)) if column(key) else "-" for key in ("of_tile", "with_packing"))])
    return table(["kernel", "instructions", "rate", "limit", "share", "tile", "with packing"], rows)


def commands_text(results):
    """One command of each kind: the first case's."""
    lines = [f"# {title}\n{text}" for title, text in results[0].commands.items()] if results else []
    return "```\n" + "\n".join(lines) + "\n```"


def markdown(facts, machine, versions, steps, layers, peers, kernels):
    """`facts`: rounds, seconds, threads; sections that are empty are left out."""
    parts = ["## The machine", table(["", ""], [[key, value] for key, value in {**machine, **versions}.items()])]
    said = (f"Median (least-most) of {facts['rounds']} interleaved rounds of {facts['seconds']} s each, "
            f"{facts['threads']} thread{'s' if facts['threads'] != 1 else ''}. ")
    note = ("Ratio: the peer's time by ours, round by round. A peer runs with `OMP_WAIT_POLICY=passive`, without "
            "OPENBLAS_* variables, and with each of two settings of malloc; the better one counts (*: the tuned one). "
            if peers else "")
    if steps:
        parts += ["## Steps", said + note + "MiB: the largest resident size of the process.",
                  results_table(steps, peers, "model"), commands_text(steps)]
    if layers:
        rows = layers[0].batch * 196
        parts += ["## Layers",
                  said + note + f"{rows:,} rows. Ours is the layer's share of a step, by the time of its launches "
                  "(products, packing of weights and of gradients' operands, sums of biases' gradients); "
                  "the peer's is the bare layer.",
                  layers_table(layers, peers), commands_text(layers)]
    if kernels:
        parts += ["## Kernels", KERNELS_NOTE.format(rounds=facts["rounds"]), kernels_table(kernels)]
    return "\n\n".join(parts) + "\n"


def as_json(facts, machine, versions, steps, layers, kernels):
    def row(result):
        peers = {}
        for title, settings in result.settings.items():
            setting, samples = result.better(title)
            peers[title] = {"malloc": setting, **samples.as_json(), "ratio": statistics.median(result.ratios(title)),
                            "settings": {name: each.as_json() for name, each in settings.items()}}
        return {"name": result.case.name, "forward": result.case.forward, "batch": result.batch,
                "danaus": result.ours.as_json(), "peers": peers, "commands": result.commands}
    return {"machine": machine, "versions": versions, **facts, "steps": [row(result) for result in steps],
            "layers": [row(result) for result in layers], "kernels": kernels}
