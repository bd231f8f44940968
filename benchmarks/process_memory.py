"""How much memory another process holds, by the kernel's account."""

import re
from pathlib import Path

import msgspec


class Memory(msgspec.Struct, frozen=True):
    """A process's memory in MB (10^6 bytes): resident now, its private part, and the most it ever was."""

    resident: float
    private: float
    peak: float


def memory_of(pid: int) -> Memory:
    """Read a live process's memory. Raises ProcessLookupError where it has ended.

    Not `ru_maxrss`: a child's begins at the memory of the process that spawned it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise ProcessLookupError(pid) from e
    held = {name: int(kibibytes) for name, kibibytes in re.findall(r"(?m)^(\w+):\s+(\d+) kB", status)}
    if "VmRSS" not in held:
        raise ProcessLookupError(pid)
    return Memory(*(held[name] * 1024 / 1e6 for name in ("VmRSS", "RssAnon", "VmHWM")))
