"""Where a benchmark runs and how it was asked to: the conditions that every figure is told with."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".data" / "benchmarks"

_PACKAGES = (
    "qdrant-edge-py",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "litestar",
    "uvicorn",
    "sentence-transformers",
    "torch",
    "fastapi",
    "polars",
    "scikit-learn",
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    `everything` embeds the whole bitcoin catalogue where that is not kept from an earlier run. `rounds` and
    `seconds` are how often each server is measured and how long each level takes; `repeats` how often a start
    is timed; `talks` how many talks the rates of ingest are compared on, 0 for all; `larger` the size of the
    larger index of `scale` and that of `snapshot`.
    """

    everything: bool = False
    rounds: int = 3
    seconds: float = 5.0
    repeats: int = 5
    talks: int = 300
    larger: int = 100_000


def cores() -> int:
    """Count the processors this process may use."""
    return len(os.sched_getaffinity(0))


def model_dir() -> Path:
    """Say where the exported model is."""
    return Path(os.environ.get("MODEL_DIR") or ROOT / ".data" / "model").resolve()


def machine() -> str:
    """Say what the figures were measured on, in one line."""
    return f"{cores()} cores, {_processor()}, {_memory()}, {_busy():.0%} busy with other work at the start"


def versions() -> str:
    """Say with which versions, in one line."""
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return f"Linux {platform.release()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.processor()


def _busy() -> float:
    """Give the share of all processors that was in use over half a second in which we did nothing."""
    before = _ticks()
    time.sleep(0.5)
    spent = [after - start for start, after in zip(before, _ticks(), strict=True)]
    idle, waiting = spent[3], spent[4]
    return 1 - (idle + waiting) / (sum(spent) or 1)


def _ticks() -> list[int]:
    """Read the kernel's account of all processors: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(ticks) for ticks in Path("/proc/stat").read_text(encoding="utf-8").split()[1:9]]


def _memory() -> str:
    found = re.search(r"(?m)^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return f"{int(found[1]) / 2**20:.0f} GiB" if found else "memory unknown"
