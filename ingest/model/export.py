"""`ingest export-model`: write the model that serves searches.

It is written next to the current model and compared with sentence-transformers before `model.json` refers to
it. A failure leaves the old model in use. The default model needs no torch: its graph and the embeddings of
sentence-transformers ship with this package. Any other model needs the extra `reference`.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from ingest.errors import ExportError
from ingest.model.golden_set import golden_embeddings, golden_texts
from ingest.model.reference import import_reference
from ingest.model.weights import (
    GRAPH_FILE,
    PINNED_MODEL,
    PINNED_WEIGHTS_SHA256,
    SERVED_WEIGHTS_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    pinned_weights,
)
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.durable_files import file_lock, replace_file, sync_folder, sync_tree
from retrieval.errors import ModelUnavailableError
from retrieval.settings import usable_cores
from retrieval.text.exported_model import DESCRIPTION_FILE, ExportedFile, ExportedModel, sha256_of
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings

MAX_DIFFERENCE = 1e-5
"""The largest absolute difference of a coordinate that the proof allows."""

_LEFT_OVER = re.compile(
    r"(?:graph-[0-9a-f]{12}\.onnx|tokenizer-[0-9a-f]{12}\.json|weights-[0-9a-f]{12}\.safetensors"
    rf"|exporting-\w+|\.{re.escape(DESCRIPTION_FILE)}\.[0-9]+)"
)
"""The names of the files of an older export, and of a killed run. Other files in the folder are not ours."""

_DIMENSION = 384
_MAX_PIECES = 256


def export_model(target: Path, model: str | None = None) -> ExportedModel:
    """Export a model into `target` and return its description.

    `model` is the folder or hub name of a sentence-transformers model; None is the pinned package, whose
    checksum is verified. Raises ExportError; the previous export in `target` then stays in use.
    """
    try:
        return _export(target, model)
    except OSError as e:
        raise ExportError(
            f"The model cannot be exported to {target} ({e.strerror or e}). Set MODEL_DIR to a folder that "
            "can be written. A previous export stays in use."
        ) from e


def _export(target: Path, model: str | None) -> ExportedModel:
    with file_lock(target), tempfile.TemporaryDirectory(dir=target, prefix="exporting-") as name:
        scratch, texts = Path(name), golden_texts()
        if model is None:
            exported, expected = _copy_default(scratch), golden_embeddings()
        else:
            export_reference = import_reference(
                "ingest.model.reference_export", needed_for="export-model --model"
            ).export_reference
            exported, expected = export_reference(model, scratch, texts)
        (scratch / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(exported))
        difference = _prove(scratch, texts, expected)
        exported = msgspec.structs.replace(
            exported, proof=f"max abs difference {difference:.1e} from SentenceTransformer.encode"
        )
        return _put_in_place(exported, scratch, target)


def _copy_default(scratch: Path) -> ExportedModel:
    """Copy the graph, the weights and the tokenizer of the default model into the scratch folder."""
    package = pinned_weights()
    graph, tokenizer = scratch / GRAPH_FILE.name, scratch / TOKENIZER_FILE
    weights = scratch / SERVED_WEIGHTS_FILE
    sources = (GRAPH_FILE, package / TOKENIZER_FILE, package / WEIGHTS_FILE)
    for source, copy in zip(sources, (graph, tokenizer, weights), strict=True):
        try:
            shutil.copyfile(source, copy)
        except OSError as e:
            raise ExportError(
                f"{source} cannot be copied to {scratch.parent}: {e.strerror or e}. Nothing was exported."
            ) from e
    return ExportedModel(
        identity=ModelIdentity(name=PINNED_MODEL, weights_sha256=PINNED_WEIGHTS_SHA256, dimension=_DIMENSION),
        max_pieces=_MAX_PIECES,
        graph=ExportedFile(graph.name, sha256_of(graph)),
        weights=ExportedFile(weights.name, PINNED_WEIGHTS_SHA256),
        tokenizer=ExportedFile(tokenizer.name, sha256_of(tokenizer)),
        proof="none yet",
    )


def _prove(scratch: Path, texts: Sequence[str], expected: Embeddings) -> float:
    """Return the largest difference of the embeddings, of queries and documents, from the expected ones."""
    try:
        encoder = OnnxEncoder(scratch, document_threads=usable_cores())
    except ModelUnavailableError as e:
        raise ExportError(f"The exported graph cannot be used: {e}") from e
    ways = (encoder.encode_queries(texts), encoder.encode_documents(texts))
    difference = float(np.abs(np.stack(ways) - expected).max())
    # The comparison is also false for NaN.
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(
            f"The exported graph differs from the model: over {len(texts)} texts its embeddings differ by up "
            f"to {difference:.1e}; at most {MAX_DIFFERENCE:.0e} is allowed. The previous export stays in use."
        )
    return difference


def _put_in_place(exported: ExportedModel, scratch: Path, target: Path) -> ExportedModel:
    """Move the files next to the current export, switch to them with one rename, then delete old ones."""
    graph = ExportedFile(f"graph-{exported.graph.sha256[:12]}.onnx", exported.graph.sha256)
    tokenizer = ExportedFile(f"tokenizer-{exported.tokenizer.sha256[:12]}.json", exported.tokenizer.sha256)
    sync_tree(scratch)
    description = msgspec.structs.replace(exported, graph=graph, tokenizer=tokenizer)
    for file, new in zip(exported.files, description.files, strict=True):
        (scratch / file.name).replace(target / new.name)
    sync_folder(target)
    replace_file(target / DESCRIPTION_FILE, msgspec.json.format(msgspec.json.encode(description)))
    kept = {scratch.name, *(file.name for file in description.files)}
    for found in target.iterdir():
        if _LEFT_OVER.fullmatch(found.name) and found.name not in kept:
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    return description
