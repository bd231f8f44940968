"""The command line: reads the environment, opens the search, and serves it until it is told to stop.

`python -m api keys`: who may ask it.
"""

import argparse
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
from api.observability.readiness import Draining
from api.server.connections import counted_in
from api.server.metrics_server import serving_metrics
from api.server.server import GRACE_SECONDS, AnnouncingServer, CannotListenError
from api.settings import ApiSettings
from api.wire.problems import first_cause
from retrieval.errors import VidsearchError
from retrieval.settings import SettingsError

CANNOT_LISTEN = 1
BAD_SETTINGS = 2
CANNOT_SEARCH = 3

_EPILOG = """\
environment:
  HOST               address to listen on (127.0.0.1; 0.0.0.0 for every network)
  PORT               port to listen on (8080)
  INDEX_DIR          where the index is (.data/index)
  MODEL_DIR          where the exported model is (.data/model)
  SEARCH_CACHE       how many answers are kept, 0 for none (1024)
  MAX_SEARCHES       how many searches are answered at a time when there are too many; the rest get a 503
                     (2 a processor)
  DRAIN_SECONDS      for how long /readyz says that the service stops, before it does (1)
  HEALTH_LEAST_COVERAGE  /health warns where a smaller share of the videos has a transcript (0)
  HEALTH_MOST_DAYS   /health warns where the index is older; 0 for never (0)
  PAGE_THUMBNAILS    off: the search page loads no pictures, which are on other hosts (on)
  ENCODER_THREADS    how many queries are embedded at once (one a processor)
  QDRANT_URL         a Qdrant server that has the index, instead of INDEX_DIR (port 6333 if none)
  QDRANT_API_KEY     the server's key
  QDRANT_GRPC_PORT   its gRPC port; REST is used where that is closed (6334)
  QDRANT_COLLECTION  what the names of its collections begin with (vidsearch)
  METRICS_PORT       a port of its own for /metrics, which is then on no other (none)
  METRICS_HOST       address to listen on there (127.0.0.1); on any but a loopback one it takes a key of the
                     scope metrics, once there are keys
  LOG_FORMAT         json, console, or auto: console on a terminal, else json (auto)
  LOG_LEVEL          debug, info, warning or error; debug has the health probes too (info)
  OTEL_EXPORTER_OTLP_ENDPOINT
                     a collector to send traces to, like http://localhost:4318 (none); the other
                     OTEL_ variables are OpenTelemetry's own
  KEYS_FILE          where API keys are kept, hashed (.data/keys.json)
  API_KEYS           more of them, as `keys add --print-env` prints them
  RATE_LIMIT_KEY     how often a key may ask, like 600/minute (no limit)
  RATE_LIMIT_ADDRESS how often an address may ask (no limit)
  CORS_ORIGINS       other sites whose pages may ask, like https://app.example.com (none)
  ALLOWED_HOSTS      names the service may be asked by, like api.example.com (any)
  TRUSTED_PROXIES    addresses whose X-Forwarded-For is believed, like 10.0.0.7 (none)

keys:
  Once there is a key, every search takes one: Authorization: Bearer KEY, or X-API-Key: KEY. Without keys only
  this machine may ask: on any address but a loopback one, METRICS_HOST's too, the service does not start,
  unless --open says that everybody may.

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


async def serve(settings: ApiSettings) -> None:
    """Open the search, then the port; close them in reverse. Raises VidsearchError."""
    draining = Draining()
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
        # uvicorn trusts this machine, and an environment variable of its own. See api.access.proxies.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        # Outside uvicorn, so that what cannot be opened is an error here and not a traceback in its log.
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
    """Run the service, or a command about its keys, and return the exit code."""
    # Until the server brings its own: what was opened by then is closed.
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
