"""Passes the package index that pip uses on this machine to builds.

A build cannot read folders of this machine, so they are served over loopback while it runs.
"""

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

PREFERRED_PORT = 38_765
"""A fixed port if it is free: it is part of a build argument, and a new value invalidates the cache."""

_ARGUMENTS = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "find-links": "PIP_FIND_LINKS",
}


@contextmanager
def package_index(certificates: Path) -> Iterator[dict[str, str]]:
    """Yield build arguments with the package index of this machine.

    The certificates that pip trusts on this machine are copied to `certificates` until the block ends, unless
    that file exists.
    """
    settings = pip_settings()
    copied = "cert" in settings and not certificates.exists()
    if copied:
        certificates.parent.mkdir(exist_ok=True)
        certificates.write_bytes(Path(settings["cert"]).read_bytes())
    try:
        with _serving(served_folders(settings)) as address:
            yield {
                argument: " ".join(reachable(location, address) for location in settings[setting].split())
                for setting, argument in _ARGUMENTS.items()
                if setting in settings
            }
    finally:
        if copied:
            certificates.unlink()


def pip_settings() -> dict[str, str]:
    """Return pip's settings on this machine, from its files and from the environment."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    )
    settings = {}
    # Settings from the environment come first, and override those of the files.
    for line in reversed(answer.stdout.splitlines()):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def folder_of(location: str) -> Path | None:
    """Return the folder of a location, or None for a network address."""
    if location.startswith("/"):
        return Path(location)
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def served_folders(settings: Mapping[str, str]) -> list[Path]:
    """List the folders that a build needs; the pages of an index link to files next to it."""
    return [
        folder.parent if setting != "find-links" else folder
        for setting in _ARGUMENTS
        for location in settings.get(setting, "").split()
        if (folder := folder_of(location))
    ]


def reachable(location: str, address: str) -> str:
    """Return the address of a location as seen from a build."""
    folder = folder_of(location)
    return location if folder is None else f"{address}{quote(str(folder))}/"


@contextmanager
def _serving(folders: list[Path]) -> Iterator[str]:
    if not folders:
        yield ""
        return
    handler = partial(_Handler, folders=folders)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", PREFERRED_PORT), handler)
    except OSError:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Handler(SimpleHTTPRequestHandler):
    """Serves only these folders, under their own paths."""

    def __init__(self, *arguments: Any, folders: list[Path]) -> None:
        self._folders = folders
        super().__init__(*arguments, directory="/")

    def translate_path(self, path: str) -> str:
        translated = super().translate_path(path)
        served = any(Path(translated).is_relative_to(folder) for folder in self._folders)
        return translated if served else "/nonexistent"

    def log_message(self, *_: object) -> None:
        """Log nothing: pip reports missing files."""
