"""Which encoder a run embeds documents with: the exported graph on a CPU, sentence-transformers on a GPU."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from ingest.errors import IngestError
from ingest.model.proof_texts import proof_texts
from ingest.model.weights import PINNED_MODEL, pinned_weights
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.settings import usable_cores
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import DocumentEncoder, Embeddings


class Model(msgspec.Struct, frozen=True):
    """An encoder, the identity it must match, and how many word pieces of a text it reads.

    `variant` names what else decides an embedding: the exported files, the device. `keeping` is the same
    encoder where what it embeds is kept from run to run.
    """

    encoder: DocumentEncoder
    identity: ModelIdentity
    max_pieces: int
    variant: tuple[str, ...] = ()
    keeping: DocumentEncoder | None = None

    @property
    def catalogue_encoder(self) -> DocumentEncoder:
        """What embeds a catalogue's texts. What a new version is verified with is `encoder`: nothing kept."""
        return self.keeping or self.encoder


MAX_GPU_DIFFERENCE = 5e-3
"""The largest absolute difference of any coordinate that a GPU's bf16 arithmetic may make."""


def load_model(model_dir: Path, *, device: str) -> Model:
    """Load the model that documents are embedded with on this device ("cpu" or "cuda").

    Raises ModelUnavailableError without a whole export, IngestError where the device cannot be used or does
    not give the export's embeddings.
    """
    exported = OnnxEncoder(model_dir, document_threads=usable_cores())
    identity, max_pieces = exported.exported.identity, exported.exported.max_pieces
    tokenizer, graph = exported.exported.tokenizer.sha256, exported.exported.graph.sha256
    if device == "cpu":
        return Model(exported, identity, max_pieces, variant=(tokenizer, graph, device))
    if identity.name != PINNED_MODEL:
        raise IngestError(
            f"--device {device} embeds with {PINNED_MODEL}, and the exported model is {identity.name}."
        )
    encoder = TorchEncoder(exported, device=device)
    check_agreement(encoder, exported, proof_texts())
    return Model(encoder, identity, max_pieces, variant=(tokenizer, device))


class TorchEncoder:
    """A DocumentEncoder on sentence-transformers, in bf16 on a GPU."""

    def __init__(self, exported: OnnxEncoder, *, device: str) -> None:
        """Load the pinned weights onto the device. Raises IngestError where it cannot be used."""
        import torch  # noqa: PLC0415 - seconds and hundreds of megabytes that a CPU run does not need.
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        if device == "cuda" and not torch.cuda.is_available():
            raise IngestError("--device cuda: torch sees no GPU. Run without it to embed on the CPU.")
        precision = torch.bfloat16 if device == "cuda" else torch.float32
        self._exported = exported
        self._model = SentenceTransformer(
            str(pinned_weights()), device=device, local_files_only=True, model_kwargs={"dtype": precision}
        )

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one row a text, in their order."""
        rows = self._model.encode(list(texts), batch_size=256, show_progress_bar=False)
        embeddings = np.asarray(rows, np.float32)
        # bf16 rounds the length of a vector as it rounds everything; distances assume exactly one.
        unit: Embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        return unit

    def count_pieces(self, text: str) -> int:
        """Count the word pieces of a text before any cut, the two marks around it included."""
        return self._exported.count_pieces(text)


def check_agreement(encoder: TorchEncoder, exported: OnnxEncoder, texts: Sequence[str]) -> float:
    """Return the largest difference between two encoders. Raises IngestError where it is too large."""
    difference = float(np.abs(encoder.encode_documents(texts) - exported.encode_documents(texts)).max())
    # Not a number fails the comparison too.
    if not difference <= MAX_GPU_DIFFERENCE:
        raise IngestError(
            f"The GPU's embeddings differ from the exported model's by up to {difference:.1e}, and "
            f"{MAX_GPU_DIFFERENCE:.0e} is allowed. Nothing was changed; run without --device cuda."
        )
    return difference
