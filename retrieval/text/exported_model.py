"""The exported model on disk: what its folder holds, and the check that it is whole.

The folder holds `model.json` and the two files it names. `model.json` is written last and replaced by a
rename, so it always names two files that are complete; anything else in the folder is left from a run that
was stopped.
"""

import hashlib
from pathlib import Path

import msgspec

from retrieval.catalogue.manifest import ModelIdentity
from retrieval.errors import ModelUnavailableError

DESCRIPTION_FILE = "model.json"
_BLOCK = 1 << 20


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of the export by its name in the folder and the sha256 of its bytes."""

    name: str
    sha256: str


class ExportedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What `model.json` says. `max_pieces` counts word pieces, the two marks around a text included."""

    identity: ModelIdentity
    max_pieces: int
    graph: ExportedFile
    tokenizer: ExportedFile
    proof: str


def read_exported_model(folder: Path) -> ExportedModel:
    """Read what the folder says of itself, and check both files against it.

    Raises ModelUnavailableError where there is no export, or a file is missing or damaged.
    """
    path = folder / DESCRIPTION_FILE
    try:
        exported = msgspec.json.decode(path.read_bytes(), type=ExportedModel)
    except FileNotFoundError as e:
        raise ModelUnavailableError(
            f"There is no exported model in {folder}. Export it: python -m ingest export-model"
        ) from e
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ModelUnavailableError(
            f"{path} cannot be read ({e}). Export the model again: python -m ingest export-model"
        ) from e
    for file in (exported.graph, exported.tokenizer):
        check_sha256(folder / file.name, file.sha256)
    return exported


def check_sha256(path: Path, expected: str) -> None:
    """Raise ModelUnavailableError unless the file's bytes have this sha256."""
    try:
        found = sha256_of(path)
    except OSError as e:
        raise ModelUnavailableError(f"The model file {path} cannot be read: {e.strerror or e}") from e
    if found != expected:
        raise ModelUnavailableError(
            f"The model file {path} is damaged or not the one expected: its sha256 is {found}, and it "
            f"should be {expected}."
        )


def sha256_of(path: Path) -> str:
    """Hash a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
