"""Create, list and revoke API keys: `python -m api keys`."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from api.access.key_file import one_writer, read_keys, write_keys
from api.access.keys import SCOPES, Keyring, StoredKey, check_name, make_key, to_variable
from api.access.settings import KEYS_FILE, AccessSettings
from retrieval.declared_setting import SettingsError

_SHOWN_TIME = "%Y-%m-%d %H:%M"
_ADD_EPILOG = """\
The key is printed once, alone on standard output; only a hash of it is stored. A running API accepts it
within a second.

examples:
  python -m api keys add website --scope search
  python -m api keys add prometheus --scope metrics
  python -m api keys add website --scope search --print-env   # for API_KEYS, without a file
"""

Command = Callable[[argparse.Namespace, AccessSettings], None]


def describe_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `keys` and its commands; the parsed arguments carry the one to run as `run`."""
    keys = commands.add_parser("keys", help="create, list and revoke API keys", description=__doc__)
    kinds = keys.add_subparsers(required=True, metavar="add|list|revoke")
    add = kinds.add_parser(
        "add",
        help="create a key and print it",
        epilog=_ADD_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add.add_argument("name", metavar="NAME", help="name of the key's user, as `list` shows it")
    add.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=SCOPES,
        help="routes that the key opens: search, metrics, or admin for all; repeatable",
    )
    add.add_argument(
        "--print-env",
        action="store_true",
        help="write no file: print the key, and on a second line the value for API_KEYS",
    )
    add.set_defaults(run=_add)
    kinds.add_parser(
        "list", help="show the name, scopes, first characters and date of every key"
    ).set_defaults(run=_list)
    revoke = kinds.add_parser("revoke", help="delete a key; a running API refuses it within a second")
    revoke.add_argument("name", metavar="NAME", help="the name given to `keys add`")
    revoke.set_defaults(run=_revoke)


def _add(arguments: argparse.Namespace, settings: AccessSettings) -> None:
    check_name(arguments.name)
    now = datetime.now(UTC).replace(microsecond=0)
    if arguments.print_env:
        key, stored = make_key(arguments.name, arguments.scope, now)
        _check(settings, (stored, *(read_keys(_file(settings)) or ())))
        sys.stdout.write(f"{key}\nAPI_KEYS={','.join(map(to_variable, (*settings.keys, stored)))}\n")
        return
    with one_writer(_file(settings)):
        keys = read_keys(_file(settings)) or ()
        key, stored = make_key(arguments.name, arguments.scope, now)
        _check(settings, (*keys, stored))
        write_keys(_file(settings), (*keys, stored))
    sys.stderr.write(f"Stored in {_file(settings)}. The key is shown only once:\n")
    sys.stdout.write(f"{key}\n")


def _list(_: argparse.Namespace, settings: AccessSettings) -> None:
    rows = [("NAME", "SCOPES", "BEGINS WITH", "CREATED", "STORED IN")]
    rows += [_row(key, str(_file(settings))) for key in read_keys(_file(settings)) or ()]
    rows += [_row(key, "API_KEYS") for key in settings.keys]
    if len(rows) == 1:
        sys.stdout.write("There are no keys.\n")
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        sys.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip() + "\n")


def _revoke(arguments: argparse.Namespace, settings: AccessSettings) -> None:
    if arguments.name in {key.name for key in settings.keys}:
        raise SettingsError(
            f"The key {arguments.name} is in API_KEYS. Remove it there, and restart the service."
        )
    with one_writer(_file(settings)):
        keys = read_keys(_file(settings)) or ()
        left = tuple(key for key in keys if key.name != arguments.name)
        if len(left) == len(keys):
            raise SettingsError(f"There is no key named {arguments.name!r}. `keys list` lists the keys.")
        write_keys(_file(settings), left)
    sys.stderr.write(f"Revoked {arguments.name}.\n")
    if not left and not settings.keys:
        sys.stderr.write(
            "No key is left, and requests still need one. "
            f"To serve without keys, remove {_file(settings)} and restart the service.\n"
        )


def _file(settings: AccessSettings) -> Path:
    return settings.keys_file or KEYS_FILE.default


def _check(settings: AccessSettings, stored: tuple[StoredKey, ...]) -> None:
    """Raise SettingsError if two of these keys and those of API_KEYS share a name or an id."""
    Keyring((*settings.keys, *stored))


def _row(key: StoredKey, stored_in: str) -> tuple[str, str, str, str, str]:
    created = "unknown" if key.created_at is None else key.created_at.strftime(_SHOWN_TIME)
    return key.name, "+".join(key.scopes), f"vs_{key.key_id}", created, stored_in
