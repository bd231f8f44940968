"""Access to the modules that need the extra `reference`: torch and sentence-transformers."""

from importlib import import_module
from types import ModuleType

from ingest.errors import IngestError

_OUR_PACKAGES = frozenset({"ingest", "retrieval"})


def import_reference(module: str, *, needed_for: str) -> ModuleType:
    """Import a module that uses torch. Raises IngestError if the extra is not installed.

    `needed_for` is the command or option, for the message.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] in _OUR_PACKAGES:
            raise
        raise IngestError(
            f"{needed_for} needs torch and sentence-transformers, but {e.name} is not installed. "
            "Install them in a checkout: make reference"
        ) from e
