"""What a person who starts the service reads: where it answers, or why it cannot listen."""

import contextlib
import errno
import logging
import sys
from collections.abc import Iterator

from retrieval.errors import VidsearchError

_EXAMPLE_PORTS = (9000, 9001)
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a browser cannot open these.


class CannotListenError(VidsearchError):
    """The address is in use, or does not belong to this machine."""


def address_of(host: str, port: int) -> str:
    """Format a host and a port as a URL."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def announce(host: str, port: int) -> None:
    """Print where the service answers and how to stop it."""
    address = address_of(_EVERY_ADDRESS.get(host, host), port)
    sys.stdout.write(
        f"Search page: {address}/\n"
        f"API documentation: {address}/schema\n"
        f"Try: curl '{address}/v1/search?query=your+question'\n"
        "Stop: Ctrl-C\n"
    )
    sys.stdout.flush()


@contextlib.contextmanager
def listening_errors(host: str, port: int, *, metrics: bool = False) -> Iterator[None]:
    """Raise CannotListenError in place of uvicorn's SystemExit, and keep its line out of the log.

    SystemExit would end the process before the index is closed. `metrics`: the address is METRICS_HOST and
    METRICS_PORT.
    """
    causes: list[OSError] = []

    def keep(record: logging.LogRecord) -> bool:
        if isinstance(record.msg, OSError):
            causes.append(record.msg)
            return False
        return True

    log = logging.getLogger("uvicorn.error")
    log.addFilter(keep)
    try:
        yield
    except SystemExit as error:
        number = causes[-1].errno if causes else None
        raise CannotListenError(_why(host, port, number, "METRICS_" if metrics else "")) from error
    finally:
        log.removeFilter(keep)


def _why(host: str, port: int, number: int | None, prefix: str) -> str:
    if number == errno.EADDRINUSE:
        other = next(example for example in _EXAMPLE_PORTS if example != port)
        return f"Port {port} is in use. Choose another one, for example: {prefix}PORT={other} make run"
    if number == errno.EACCES:
        return f"This user may not listen on port {port}. Set {prefix}PORT to one above 1023."
    return f"Cannot listen on {address_of(host, port)}. Set another {prefix}HOST or {prefix}PORT."
