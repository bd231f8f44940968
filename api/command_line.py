"""The command line: `python -m api` serves the API until it is stopped; `python -m api keys` manages keys."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
import uvicorn
import uvloop

from api.access.key_commands import Command, describe_keys
from api.access.settings import AccessSettings
from api.app import create_app
from api.observability.logs import configure_logging
from api.server.announcement import CannotListenError
from api.server.connections import counted_in
from api.server.metrics_server import serving_metrics
from api.server.server import GRACE_SECONDS, AnnouncingServer
from api.settings import SETTINGS, ApiSettings
from api.wire.problems import first_cause
from retrieval.command_names import as_typed_here
from retrieval.declared_setting import SettingsError, describe_settings
from retrieval.errors import VidsearchError

CANNOT_LISTEN = 1
BAD_SETTINGS = 2
CANNOT_SEARCH = 3

_EPILOG = f"""\
environment:
{describe_settings(SETTINGS, "api")}

keys:
  Once there is a key, every search needs one: Authorization: Bearer KEY, or X-API-Key: KEY. Without keys, the
  service starts only on loopback addresses (HOST and METRICS_HOST), unless --open is given.

examples:
  python -m api
  python -m api keys add website --scope search
  HOST=0.0.0.0 PORT=80 python -m api
  HOST=0.0.0.0 python -m api --open
  INDEX_DIR=/srv/index SEARCH_CACHE=0 python -m api
  QDRANT_URL=http://localhost:6333 python -m api

exit codes:
  0  stopped by SIGTERM or Ctrl-C
  1  the service cannot listen on the address
  2  a setting or an option cannot be used, or there is no key although the address needs one
  3  the model is missing or damaged, or the index was built with another model
"""


async def serve(settings: ApiSettings) -> None:
    """Open the search, then the port; close them in reverse order. Raises VidsearchError."""
    draining = asyncio.Event()
    app = create_app(settings, draining=draining)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=counted_in(app.state.metrics),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn would trust this machine and its own environment variable; see api.access.proxies.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        # Opened outside uvicorn, so that a failure is an error here and not a traceback in uvicorn's log.
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.lifespan())
            if settings.metrics_port is not None:
                await stack.enter_async_context(
                    serving_metrics(app.state.metrics_app, settings.metrics_host, settings.metrics_port)
                )
            await AnnouncingServer(config, draining, settings.drain_seconds).serve()
    except BaseExceptionGroup as group:
        raise first_cause(group) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service or a key command, and return the exit code."""
    # Until the server installs its own handler: SIGTERM raises, so that everything that is open gets closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(
        prog=as_typed_here("python -m api"),
        usage="%(prog)s [--open]\n       %(prog)s keys add|list|revoke ...",
        description="Serve video search over HTTP. The documentation is at /schema.",
        epilog=as_typed_here(_EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="if there are no keys, serve everyone who can reach the address",
    )
    describe_keys(parser.add_subparsers(prog=parser.prog, metavar="keys"))
    parsed = parser.parse_args(arguments)
    command: Command | None = getattr(parsed, "run", None)
    if command is not None:
        return _run(command, parsed)
    try:
        settings = ApiSettings.from_environment(os.environ)
        configure_logging(sys.stderr, log_format=settings.log_format, level=settings.log_level)
        access = msgspec.structs.replace(settings.access, open=parsed.open)
        uvloop.run(serve(msgspec.structs.replace(settings, access=access)))
    except SettingsError as error:
        return _refuse(error, BAD_SETTINGS)
    except CannotListenError as error:
        return _refuse(error, CANNOT_LISTEN)
    except VidsearchError as error:
        return _refuse(error, CANNOT_SEARCH)
    except KeyboardInterrupt:
        pass  # Ctrl-C before the server was up is an ordinary stop.
    return 0


def _run(command: Command, arguments: argparse.Namespace) -> int:
    try:
        command(arguments, AccessSettings.from_environment(os.environ))
    except SettingsError as error:
        return _refuse(error, BAD_SETTINGS)
    return 0


def _refuse(error: VidsearchError, code: int) -> int:
    sys.stderr.write(f"{as_typed_here(' '.join(str(error).split()))}\n")
    return code
