"""The machine, the versions and the options of a benchmark, which are reported with every figure."""

import os
import platform
import re
import time
from importlib.metadata import distributions, version
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
    """The extent of the measurements.

    `everything`: embed the whole bitcoin catalogue if it is not cached. `rounds`: measurements per server.
    `seconds`: seconds per number of clients. `repeats`: number of timed starts. `talks`: number of talks for
    the rates of ingest, 0 for all. `larger`: number of passages of the larger index of `scale`, and of the
    index of `snapshot`.
    """

    everything: bool = False
    rounds: int = 3
    seconds: float = 5.0
    repeats: int = 5
    talks: int = 300
    larger: int = 100_000


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def model_dir() -> Path:
    """Return the folder of the exported model."""
    return Path(os.environ.get("MODEL_DIR") or ROOT / ".data" / "model").resolve()


def machine() -> str:
    """Describe the machine in one line."""
    return f"{cores()} cores, {_processor()}, {_memory()}, {_busy():.0%} CPU load before the start"


def versions() -> str:
    """List the versions of the software in one line. Those of the extra `reference` may be missing."""
    installed = {distribution.name for distribution in distributions()}
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES if package in installed)
    return f"Linux {platform.release()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.processor()


def _busy() -> float:
    """Measure the CPU load of other processes during half a second, 0 to 1."""
    before = _ticks()
    time.sleep(0.5)
    spent = [after - start for start, after in zip(before, _ticks(), strict=True)]
    idle, waiting = spent[3], spent[4]
    return 1 - (idle + waiting) / (sum(spent) or 1)


def _ticks() -> list[int]:
    """Read the CPU times of the kernel: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(ticks) for ticks in Path("/proc/stat").read_text(encoding="utf-8").split()[1:9]]


def _memory() -> str:
    found = re.search(r"(?m)^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return f"{int(found[1]) / 2**20:.0f} GiB" if found else "memory unknown"
