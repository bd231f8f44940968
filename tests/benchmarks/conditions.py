"""Where a benchmark runs and how it was asked to: the conditions that every figure is told with."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
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
    larger index of `scale`.
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
    load = os.getloadavg()[0]
    return f"{cores()} cores, {_processor()}, {_memory()}, load {load:.2f} at the start"


def versions() -> str:
    """Say with which versions, in one line."""
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return f"Linux {platform.release()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.processor()


def _memory() -> str:
    found = re.search(r"(?m)^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return f"{int(found[1]) / 2**20:.0f} GiB" if found else "memory unknown"
