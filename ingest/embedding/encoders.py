"""The encoder of documents: the exported graph on a CPU, sentence-transformers on a GPU."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from ingest.errors import IngestError
from ingest.model.golden_set import golden_texts
from ingest.model.reference import import_reference
from ingest.model.weights import PINNED_MODEL
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.settings import usable_cores
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import DocumentEncoder


class Model(msgspec.Struct, frozen=True):
    """An encoder, its identity, and the number of word pieces that it reads of a text.

    `variant` names the other parameters of an embedding: the exported files and the device. `caching` is the
    same encoder with a cache, if there is one.
    """

    encoder: DocumentEncoder
    identity: ModelIdentity
    max_pieces: int
    variant: tuple[str, ...] = ()
    caching: DocumentEncoder | None = None

    @property
    def catalogue_encoder(self) -> DocumentEncoder:
        """The encoder of a catalogue's texts. New versions are verified with `encoder`, without the cache."""
        return self.caching or self.encoder


MAX_GPU_DIFFERENCE = 5e-3
"""The largest allowed absolute difference of a coordinate, due to bf16 arithmetic on a GPU."""


def load_model(model_dir: Path, *, device: str) -> Model:
    """Load the model for a device ("cpu" or "cuda").

    Raises ModelUnavailableError if the export is incomplete, IngestError if the device cannot be used or its
    embeddings differ from the export's.
    """
    exported = OnnxEncoder(model_dir, document_threads=usable_cores())
    identity, max_pieces = exported.exported.identity, exported.exported.max_pieces
    tokenizer, graph = exported.exported.tokenizer.sha256, exported.exported.graph.sha256
    if device == "cpu":
        return Model(exported, identity, max_pieces, variant=(tokenizer, graph, device))
    if identity.name != PINNED_MODEL:
        raise IngestError(
            f"--device {device} supports only {PINNED_MODEL}, but the exported model is {identity.name}."
        )
    reference = import_reference("ingest.model.reference_encoder", needed_for=f"--device {device}")
    encoder: DocumentEncoder = reference.TorchEncoder(exported, device=device)
    check_agreement(encoder, exported, golden_texts())
    return Model(encoder, identity, max_pieces, variant=(tokenizer, device))


def check_agreement(encoder: DocumentEncoder, exported: DocumentEncoder, texts: Sequence[str]) -> float:
    """Return the largest difference between two encoders. Raises IngestError if it is too large."""
    difference = float(np.abs(encoder.encode_documents(texts) - exported.encode_documents(texts)).max())
    # The comparison is also false for NaN.
    if not difference <= MAX_GPU_DIFFERENCE:
        raise IngestError(
            f"The GPU's embeddings differ from the exported model's by up to {difference:.1e}; at most "
            f"{MAX_GPU_DIFFERENCE:.0e} is allowed. The index was not changed; run without --device cuda."
        )
    return difference
