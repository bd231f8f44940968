"""`python -m api`: reads the environment, opens the search, and serves it until it is told to stop.

`python -m api keys`: who may ask it.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

import msgspec
import uvicorn
import uvloop

from api.access_settings import AccessSettings
from api.app import create_app
from api.connections import BoundedConnection
from api.key_commands import Command, describe_keys
from api.problems import first_cause
from api.settings import ApiSettings
from retrieval.errors import VidsearchError
from retrieval.settings import SettingsError

CANNOT_LISTEN = 1
BAD_SETTINGS = 2
CANNOT_SEARCH = 3
GRACE_SECONDS = 8
"""How long requests in flight may take to finish once the service is told to stop."""

_EPILOG = """\
environment:
  HOST               address to listen on (127.0.0.1; 0.0.0.0 for every network)
  PORT               port to listen on (8080)
  INDEX_DIR          where the index is (.data/index)
  MODEL_DIR          where the exported model is (.data/model)
  SEARCH_CACHE       how many answers are kept, 0 for none (1024)
  ENCODER_THREADS    how many queries are embedded at once (one a processor)
  QDRANT_URL         a Qdrant server that has the index, instead of INDEX_DIR (port 6333 if none)
  QDRANT_API_KEY     the server's key
  QDRANT_GRPC_PORT   its gRPC port; REST is used where that is closed (6334)
  QDRANT_COLLECTION  what the names of its collections begin with (vidsearch)
  KEYS_FILE          where API keys are kept, hashed (.data/keys.json)
  API_KEYS           more of them, as `keys add --print-env` prints them
  RATE_LIMIT_KEY     how often a key may ask, like 600/minute (no limit)
  RATE_LIMIT_ADDRESS how often an address may ask (no limit)
  CORS_ORIGINS       other sites whose pages may ask, like https://app.example.com (none)
  ALLOWED_HOSTS      names the service may be asked by, like api.example.com (any)
  TRUSTED_PROXIES    addresses whose X-Forwarded-For is believed, like 10.0.0.0/8 (none)

keys:
  Once there is a key, every search takes one: Authorization: Bearer KEY, or X-API-Key: KEY. Without keys only
  this machine may ask: on any address but a loopback one the service does not start, unless --open says that
  everybody may.

examples:
  python -m api
  python -m api keys add website --scope search
  HOST=0.0.0.0 PORT=80 python -m api
  HOST=0.0.0.0 python -m api --open
  INDEX_DIR=/srv/index SEARCH_CACHE=0 python -m api
  QDRANT_URL=http://localhost:6333 python -m api

exit codes:
  0  stopped as it was told to (SIGTERM or Ctrl-C)
  1  the address cannot be listened on
  2  a setting or an option cannot be used; or no key where one is needed
  3  the model is missing or damaged, or the index was built with another one
"""


class CannotListenError(VidsearchError):
    """The address is taken, or is none of this machine's."""


class AnnouncingServer(uvicorn.Server):
    """A server that says where it listens, once it does, and leaves the process alone when it stops."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print one line. Raises CannotListenError."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        address = f"http://{host}:{self.config.port}"
        try:
            await super().startup(sockets)
        except SystemExit as error:
            # Left alone it would end the process before the index is closed, and uvicorn has logged why.
            raise CannotListenError(f"Cannot listen on {address}. Set another HOST or PORT.") from error
        sys.stdout.write(
            f"vidsearch listens on {address}. Try: curl '{address}/v1/search?query=your+question'\n"
        )
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM or Ctrl-C.

        uvicorn's own way raises the signal again at the end, which kills the process before the index is
        closed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def serve(settings: ApiSettings) -> None:
    """Open the search, then the port; close them in reverse. Raises VidsearchError."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn would believe whoever is on this machine, or in a variable of its own.
        proxy_headers=bool(settings.access.trusted_proxies),
        forwarded_allow_ips=list(settings.access.trusted_proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        # Outside uvicorn, so that what cannot be opened is an error here and not a traceback in its log.
        async with app.lifespan():
            await AnnouncingServer(config).serve()
    except BaseExceptionGroup as group:
        raise first_cause(group) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service, or a command about its keys, and return the exit code."""
    # A container's first process hears no SIGTERM without a handler; later the server brings its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(
        prog="python -m api",
        usage="%(prog)s [--open]\n       %(prog)s keys add|list|revoke ...",
        description="Serves video search over HTTP, with its documentation at /schema.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="serve everybody who can reach the address, where there are no keys",
    )
    describe_keys(parser.add_subparsers(prog=parser.prog, metavar="keys"))
    parsed = parser.parse_args(arguments)
    command: Command | None = getattr(parsed, "run", None)
    if command is not None:
        return _run(command, parsed)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # uvicorn announces itself at length, and httpx each request to the index's server.
    for chatty in ("uvicorn", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = ApiSettings.from_environment(os.environ)
        access = msgspec.structs.replace(settings.access, open=parsed.open)
        uvloop.run(serve(msgspec.structs.replace(settings, access=access)))
    except SettingsError as error:
        return _refuse(error, BAD_SETTINGS)
    except CannotListenError as error:
        return _refuse(error, CANNOT_LISTEN)
    except VidsearchError as error:
        return _refuse(error, CANNOT_SEARCH)
    except KeyboardInterrupt:
        pass  # Ctrl-C before the server was up: stopped as it was told to.
    return 0


def _run(command: Command, arguments: argparse.Namespace) -> int:
    try:
        command(arguments, AccessSettings.from_environment(os.environ))
    except SettingsError as error:
        return _refuse(error, BAD_SETTINGS)
    return 0


def _refuse(error: VidsearchError, code: int) -> int:
    sys.stderr.write(f"{' '.join(str(error).split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
