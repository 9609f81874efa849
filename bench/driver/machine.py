"""The machine, in the words of /proc and /sys."""
import pathlib
import platform

from driver import commands

# The flags of /proc/cpuinfo that decide what code runs here.
INSTRUCTION_SETS = ("sse2", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")


def cpu_info():
    info = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    return info


def caches():
    """L1d 48K, L2 2048K, L3 ... of the first core."""
    found = []
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((index / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level}{'d' if kind == 'Data' else ''} {size}")
    return ", ".join(found)


def memory_gib():
    for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) / 2 ** 20
    return 0.0


def describe(options):
    """What the report says of the machine: (name, value) pairs."""
    info = cpu_info()
    flags = set(info.get("flags", "").split())
    return {
        "processor": info.get("model name", platform.machine()),
        "family, model, stepping": ", ".join(info.get(key, "?") for key in ("cpu family", "model", "stepping")),
        "instruction sets": ", ".join(name for name in INSTRUCTION_SETS if name in flags),
        "cores of this process": str(len(commands.allowed_cores())),
        "threads measured": str(options.threads),
        "caches of a core": caches() or "not told",
        "memory": f"{memory_gib():.1f} GiB",
        "kernel": platform.release(),
    }
