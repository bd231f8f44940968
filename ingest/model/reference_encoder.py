"""The encoder of documents on a GPU: sentence-transformers."""

from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from ingest.errors import IngestError
from ingest.model.weights import pinned_weights
from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings


class TorchEncoder:
    """A DocumentEncoder on sentence-transformers, in bf16 on a GPU."""

    def __init__(self, exported: OnnxEncoder, *, device: str) -> None:
        """Load the pinned weights onto the device. Raises IngestError if it cannot be used."""
        if device == "cuda" and not torch.cuda.is_available():
            raise IngestError("--device cuda: torch finds no GPU. Run without --device to embed on the CPU.")
        precision = torch.bfloat16 if device == "cuda" else torch.float32
        self._exported = exported
        self._model = SentenceTransformer(
            str(pinned_weights()), device=device, local_files_only=True, model_kwargs={"dtype": precision}
        )

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one row for each, in their order."""
        rows = self._model.encode(list(texts), batch_size=256, show_progress_bar=False)
        embeddings = np.asarray(rows, np.float32)
        # bf16 also rounds the length of a vector, but distances assume that it is one.
        unit: Embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        return unit

    def count_pieces(self, text: str) -> int:
        """Return the number of word pieces of a text before truncation, with the two marks around it."""
        return self._exported.count_pieces(text)
