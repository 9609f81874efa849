"""Interleaved rounds: in each, every case is measured by Danaus and then by every peer with every setting of malloc.

So a machine that slows down for a while slows all of them. What counts for a peer is its better setting.
"""
import dataclasses
import statistics

from driver import commands
from driver.errors import BenchError


class Samples:
    """The rows of all rounds of one program on one case."""

    def __init__(self):
        self.rows = []

    def add(self, row):
        self.rows.append(row)

    def times(self):
        return [row["ms"] for row in self.rows]

    @property
    def median(self):
        return statistics.median(self.times())

    @property
    def peak(self):
        return max(row["peak_bytes"] for row in self.rows)

    def as_json(self):
        return {"ms": self.median, "min_ms": min(self.times()), "max_ms": max(self.times()), "peak_bytes": self.peak,
                "rounds": self.times()}


@dataclasses.dataclass
class Result:
    """All that was measured of one case; a title names a peer, a setting one of malloc."""
    case: object
    batch: int = 0
    ours: Samples = dataclasses.field(default_factory=Samples)
    settings: dict = dataclasses.field(default_factory=dict)  # title -> {setting: Samples}
    commands: dict = dataclasses.field(default_factory=dict)  # title -> text
    failures: dict = dataclasses.field(default_factory=dict)  # title -> why that peer could not

    def better(self, title):
        """The setting and samples that count, or None where the peer could not run the case."""
        settings = self.settings.get(title)
        return min(settings.items(), key=lambda item: item[1].median) if settings else None

    def ratios(self, title):
        """Peer's time by ours, round by round."""
        _, samples = self.better(title)
        return [theirs / ours for theirs, ours in zip(samples.times(), self.ours.times())]


def check_parameters(result, danaus, peer, row):
    ours = danaus.parameters(result.case)
    if row["params"] != ours:
        raise BenchError(f"{result.case.name}: {peer.title} built another network: {row['params']:,} parameters, "
                         f"ours has {ours:,}")


def measure_peer(result, danaus, peer, options):
    first = peer.title not in result.settings
    settings = result.settings.setdefault(peer.title, {})
    command = peer.command(result.case, result.batch, options)
    for name, variables in commands.ALLOCATORS.items():
        row = commands.answer(command, variables)
        if first:
            check_parameters(result, danaus, peer, row)
        settings.setdefault(name, Samples()).add(row)
    setting, _ = result.better(peer.title)
    result.commands[peer.title] = commands.text(
        command, {"OMP_WAIT_POLICY": "passive", **commands.ALLOCATORS[setting]})


def measure_all(cases, danaus, peers, options, progress):
    """A Result for each case. `progress` is told a line of text now and then."""
    results = [Result(case) for case in cases]
    for number in range(1, options.rounds + 1):
        for result in results:
            progress(f"round {number} of {options.rounds}: {result.case.title}")
            row = danaus.measure(result.case)
            result.ours.add(row)
            result.batch = row["batch"]
            result.commands["Danaus"] = commands.text(danaus.command(result.case))
            for peer in peers:
                if peer.title in result.failures:
                    continue
                progress(f"round {number} of {options.rounds}: {result.case.title}: {peer.title}")
                try:
                    measure_peer(result, danaus, peer, options)
                except BenchError as error:  # the others go on
                    result.failures[peer.title] = str(error)
                    result.settings.pop(peer.title, None)
                    progress(f"{result.case.title}: {peer.title} failed: {error}")
    return results
