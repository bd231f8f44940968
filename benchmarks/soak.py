"""Memory of the service during half an hour of constant load on 100,000 passages, limited to 1 GiB."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from urllib.parse import urlencode

import msgspec

from benchmarks.built_indexes import load_encoder
from benchmarks.conditions import ROOT, Options, cores
from benchmarks.datasets import labelled_queries
from benchmarks.figures import Figure, at_most, without_target
from benchmarks.overload_client import Storm, Weather
from benchmarks.process_memory import memory_of
from benchmarks.servers import our_api
from benchmarks.synthetic_index import synthetic_index

SECONDS = 1_800.0
RATE = 20.0
LIMIT = 1 << 30
SETTLED_AFTER = 300.0
_EVERY = 10.0
_GROUPS = Path("/sys/fs/cgroup/memory")


def measure(options: Options) -> list[Figure]:
    folder = synthetic_index("tutorial", options.larger, load_encoder(threads=cores()))
    queries = [query.text for query in labelled_queries("tutorial")]
    with our_api(folder) as server, _limited(server.pid) as group:
        storm = Storm(
            host=server.host,
            port=server.port,
            paths=[f"{path}?{urlencode({'query': text})}" for text in queries for path in _PATHS],
            health=["/health", "/metrics"],
            rate=RATE,
            seconds=SECONDS,
            seed=5,
        )
        weather, resident = _stormed(storm, server.pid)
        memory = memory_of(server.pid)
        peak = memory.peak
        counted = int((group / "memory.max_usage_in_bytes").read_text()) / 1e6 if group else None
    after = [mb for at, mb in resident if at >= SETTLED_AFTER] or [peak]
    middle = len(after) // 2
    grown = median(after[middle:]) - median(after[:middle] or after)
    lost = weather.broken + weather.unsent + sum(weather.statuses.values()) - weather.statuses.get(200, 0)
    conditions = (
        f"{options.larger:,} passages, {cores()} cores, {RATE:g} requests/s for {SECONDS / 60:g} min, no "
        f"cache, {'a control group of 1 GiB' if group else 'no limit: control groups not available'}"
    )
    figures = [
        at_most(
            "soak: peak resident memory",
            peak,
            850,
            shown=f"{peak:.0f} MB, {memory.private:.0f} of it private, the rest mapped files",
            asked="<= 850 MB",
            conditions=conditions,
        ),
        at_most(
            "soak: growth after the first 5 minutes, second half compared with first",
            grown,
            5,
            shown=f"{grown:+.1f} MB: {after[0]:.0f} to {after[-1]:.0f} MB",
            asked="none",
            conditions=conditions,
        ),
        at_most(
            "soak: requests not answered with 200",
            lost,
            0,
            shown=f"{lost} of {weather.statuses}",
            conditions=conditions,
        ),
        without_target(
            "soak: p99", weather.accepted_p99, shown=f"{weather.accepted_p99:.1f} ms", conditions=conditions
        ),
    ]
    if counted is not None:
        shown = f"{counted:.0f} MB, including mapped and cached files"
        figures.append(
            without_target("soak: peak of the control group", counted, shown=shown, conditions=conditions)
        )
    return figures


_PATHS = ("/v1/search", "/search")


def _stormed(storm: Storm, pid: int) -> tuple[Weather, list[tuple[float, float]]]:
    """Return the results of a storm, and the resident MB of the server by seconds since the start."""
    command = [sys.executable, "-m", "benchmarks.overload_client"]
    client = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin
    assert client.stdout
    with client.stdin as asked:
        asked.write(msgspec.json.encode(storm))
    began, resident = monotonic(), []
    while client.poll() is None:
        resident.append((monotonic() - began, memory_of(pid).resident))
        sleep(_EVERY)
    return msgspec.json.decode(client.stdout.read(), type=Weather), resident


@contextmanager
def _limited(pid: int) -> Iterator[Path | None]:
    """Limit the memory of a process, if control groups are available. Its present memory does not count."""
    group = _GROUPS / f"vidsearch-soak-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        (_GROUPS / "cgroup.procs").write_text(str(pid))
        group.rmdir()
