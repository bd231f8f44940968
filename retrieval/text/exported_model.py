"""The exported model on disk, and its integrity check.

The folder contains `model.json` and the files that it names. `model.json` is written last and replaced by a
rename, so it always names complete files. Any other file in the folder was left by an interrupted
export.
"""

import hashlib
from pathlib import Path

import msgspec

from retrieval.catalogue.manifest import ModelIdentity
from retrieval.errors import ModelUnavailableError

DESCRIPTION_FILE = "model.json"

EXPORT_AGAIN = "Export the model again: python -m ingest export-model"


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of the export: its name in the folder and the sha256 of its bytes."""

    name: str
    sha256: str


class ExportedModel(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `model.json`. `max_pieces` counts word pieces, including the two special tokens.

    `weights` is the file that the graph refers to, or None if the graph contains its weights.
    """

    identity: ModelIdentity
    max_pieces: int
    graph: ExportedFile
    tokenizer: ExportedFile
    proof: str
    weights: ExportedFile | None = None

    @property
    def files(self) -> tuple[ExportedFile, ...]:
        """The files next to `model.json`."""
        files = (self.graph, self.tokenizer)
        return files if self.weights is None else (*files, self.weights)


def read_exported_model(folder: Path) -> ExportedModel:
    """Read `model.json`, and check the files against their checksums.

    Raises ModelUnavailableError if there is no export, or if a file is missing or damaged.
    """
    path = folder / DESCRIPTION_FILE
    try:
        exported = msgspec.json.decode(path.read_bytes(), type=ExportedModel)
    except FileNotFoundError as e:
        raise ModelUnavailableError(
            f"There is no exported model in {folder}. Export it: python -m ingest export-model"
        ) from e
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ModelUnavailableError(f"{path} cannot be read ({e}). {EXPORT_AGAIN}") from e
    for file in exported.files:
        try:
            check_sha256(folder / file.name, file.sha256)
        except ModelUnavailableError as e:
            raise ModelUnavailableError(f"{e} {EXPORT_AGAIN}") from e
    return exported


def check_sha256(path: Path, expected: str) -> None:
    """Raise ModelUnavailableError unless the file has this sha256."""
    try:
        found = sha256_of(path)
    except OSError as e:
        raise ModelUnavailableError(f"The model file {path} cannot be read: {e.strerror or e}.") from e
    if found != expected:
        raise ModelUnavailableError(
            f"The model file {path} is damaged or not the expected one: its sha256 is {found}, and "
            f"{expected} is expected."
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
