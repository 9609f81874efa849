"""Peers: other frameworks in python environments of the user, asked by the programs in bench/peers/."""
import dataclasses
import pathlib
import shutil

from driver import commands
from driver.errors import BenchError

PROGRAMS = ("torch_peer.py", "jax_peer.py")


@dataclasses.dataclass(frozen=True)
class Peer:
    """One framework in one python, in one mode (eager, compiled, bf16)."""
    python: str
    program: pathlib.Path
    name: str
    mode: tuple = ()

    @property
    def title(self):
        return " ".join([self.name, *(word.removeprefix("--") for word in self.mode)])

    def command(self, case, batch, options):
        words = [self.python, self.program, case.spec, "--batch", batch, "--threads", options.threads,
                 "--seconds", options.seconds, *self.mode]
        words += ["--layer"] if case.layer else []
        words += ["--forward"] if case.forward else []
        return commands.pinned(words, options.threads)


def peers_of(python, folder, options):
    """Every framework that this python has, in the modes that the user wants."""
    path = shutil.which(python)
    if not path:
        raise BenchError(f"--peer-python: there is no program '{python}'")
    found, reasons = [], []
    for file in PROGRAMS:
        try:
            probe = commands.answer([path, folder / file, "--probe"])
        except BenchError as error:
            reasons.append(str(error).splitlines()[-1].strip())
            continue
        name = f"{probe['name']} {probe['version'].split('+')[0]}"
        modes = [()] + ([("--compile",)] if options.peer_compile and probe["compiles"] else [])
        modes = [(*mode, "--bf16") for mode in modes] if options.peer_bf16 else modes
        found += [Peer(path, folder / file, name, mode) for mode in modes]
    if not found:
        raise BenchError(f"--peer-python: '{python}' has neither PyTorch nor JAX: {'; '.join(reasons)}")
    return found


def all_peers(options, root):
    peers = [peer for python in options.peer_python for peer in peers_of(python, root / "bench" / "peers", options)]
    titles = [peer.title for peer in peers]
    for title in titles:
        if titles.count(title) > 1:
            raise BenchError(f"--peer-python: two of them have {title}; name one")
    return peers
