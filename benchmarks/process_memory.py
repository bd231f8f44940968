"""The memory of another process, as reported by the kernel."""

import re
from pathlib import Path

import msgspec


class Memory(msgspec.Struct, frozen=True):
    """The memory of a process in MB (10^6 bytes): resident, its private part, and the peak."""

    resident: float
    private: float
    peak: float


def memory_of(pid: int) -> Memory:
    """Read the memory of a running process. Raises ProcessLookupError if it has ended.

    `ru_maxrss` is no alternative: that of a child starts at the memory of its parent.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise ProcessLookupError(pid) from e
    fields = {name: int(kibibytes) for name, kibibytes in re.findall(r"(?m)^(\w+):\s+(\d+) kB", status)}
    if "VmRSS" not in fields:
        raise ProcessLookupError(pid)
    return Memory(*(fields[name] * 1024 / 1e6 for name in ("VmRSS", "RssAnon", "VmHWM")))
