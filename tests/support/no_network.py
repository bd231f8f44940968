"""`unshare --net`: a service with no network but loopback, and its attempts to reach other hosts.

Run as a program within the namespace: `no_network.py PROGRAM ...` with PORT set. It writes a Told as JSON.
"""

import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

ASKED = (
    *("/readyz", "/v1/search?query=growing+tomatoes", "/schema", "/schema/openapi.json"),
    *("/app", "/app/search?query=growing+tomatoes"),
)
_PATIENCE = 300.0
_ASSETS = re.compile(rb'(?:src|href)="([^"]+)"')
_ELSEWHERE = re.compile(r'inet_addr\("(?!127\.)[^"]+"\)|inet_pton\(AF_INET6, "(?!::1")[^"]+"')
"""An address other than loopback, as strace prints it."""

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until `/readyz` passed, statuses and lengths by path, attempts to reach other hosts."""

    ready_in: float | None
    answers: dict[str, tuple[int, int]]
    unrouted: int
    """Packets and connections for which the kernel had no route, including name look-ups."""

    datagrams: int
    """UDP datagrams sent, such as a name look-up on a local resolver."""

    elsewhere: list[str] | None
    """System calls with an address other than loopback; None if strace is not installed."""


def shut_off(command: Sequence[str]) -> list[str]:
    """Run a command in its own network namespace, which a user namespace allows."""
    return ["unshare", "--map-root-user", "--net", sys.executable, str(Path(__file__)), *command]


def bring_up_loopback() -> None:
    """Bring up the loopback interface, as on a machine without a network cable."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xh", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def counted() -> tuple[int, int]:
    """Return this namespace's counts of unroutable packets and of datagrams sent, for IPv4 and IPv6."""
    counts: dict[str, int] = {}
    lines = Path("/proc/self/net/snmp").read_text(encoding="ascii").splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.split(":")[0]
        found = zip(names.split()[1:], values.split()[1:], strict=True)
        counts.update({kind + name: int(value) for name, value in found})
    with suppress(FileNotFoundError):
        for line in Path("/proc/self/net/snmp6").read_text(encoding="ascii").splitlines():
            name, value = line.split()
            counts[name] = int(value)
    return (
        counts["IpOutNoRoutes"] + counts.get("Ip6OutNoRoutes", 0),
        counts["UdpOutDatagrams"] + counts.get("Udp6OutDatagrams", 0),
    )


def main(command: Sequence[str]) -> Told:
    """Run the command until it has answered every request, or has ended."""
    bring_up_loopback()
    unrouted, datagrams = counted()
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls"
        began = time.monotonic()
        with _running(_traced(command, calls)) as process:
            ready = _wait(process, int(os.environ["PORT"]))
            ready_in = time.monotonic() - began if ready else None
            answers = _ask_all(int(os.environ["PORT"])) if ready else {}
        seen = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else None
    after = counted()
    return Told(
        ready_in=ready_in,
        answers=answers,
        unrouted=after[0] - unrouted,
        datagrams=after[1] - datagrams,
        elsewhere=None if seen is None else [line for line in seen if _ELSEWHERE.search(line)],
    )


def _traced(command: Sequence[str], calls: Path) -> list[str]:
    if shutil.which("strace") is None:
        return list(command)
    watched = "trace=connect,sendto,sendmsg,sendmmsg"
    return ["strace", "-f", "-qq", "-e", watched, "-e", "signal=none", "-o", str(calls), *command]


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            # strace does not forward SIGTERM.
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
            for started in (process.pid, *map(int, children.split())):
                os.kill(started, signal.SIGTERM)
            process.wait(_PATIENCE)


def _wait(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            if _get(port, "/readyz")[0] == http.client.OK:
                return True
        time.sleep(0.02)
    return False


def _ask_all(port: int) -> dict[str, tuple[int, int]]:
    answers = {}
    asked = list(ASKED)
    for path in asked:
        status, body = _get(port, path)
        answers[path] = (status, len(body))
        if path in {"/schema", "/app"}:
            found = {address.partition(b"#")[0].decode() for address in _ASSETS.findall(body)}
            asked += [address for address in found if "/assets/" in address]
    return answers


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(sys.argv[1:])))
