"""The encoder for serving and ingest. It needs only tokenizers and onnxruntime.

The exported graph takes rows of word pieces. A row may contain several texts end to end (sequence packing):
a piece attends only to the pieces of its own text, and each text is pooled separately. A query has only a few
pieces, too few for an efficient matrix product. Queries that wait together therefore share a row, which costs
less than one call per query and needs no padding. Documents get one row each, sorted by length, so that the
rows of a batch are about equally long.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from retrieval.errors import ModelUnavailableError
from retrieval.text.exported_model import EXPORT_AGAIN, ExportedModel, read_exported_model
from retrieval.text.vectors import Embeddings

_PIECES_A_BATCH = 1024
"""The maximum number of pieces in a batch of documents. Larger batches do not fit into the CPU cache."""

_QUERY_PIECES_A_ROW = 256
"""The maximum number of pieces in a packed row of queries. Attention takes quadratic time."""

_SLOWER = ["SkipLayerNormFusion"]
"""Graph optimizations to skip. This fused kernel is slower than the two kernels it replaces."""


class OnnxEncoder:
    """Encodes texts with an exported model. Its methods are thread-safe."""

    def __init__(self, folder: Path, *, document_threads: int = 1) -> None:
        """Load the model. Documents are embedded on `document_threads` threads, queries on the calling one.

        Raises ModelUnavailableError if the folder contains no complete export.
        """
        self.exported: ExportedModel = read_exported_model(folder)
        self._tokenizer = _open_tokenizer(folder / self.exported.tokenizer.name)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._session = _open_session(folder, self.exported)
        self._document_threads = document_threads

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Embed queries, packed into as few rows as possible."""
        # Not as a batch: waking the tokenizer's threads takes longer than tokenizing a query.
        pieces = [self._truncated(self._tokenizer.encode(text).ids) for text in texts]
        out = np.empty((len(texts), self.exported.identity.dimension), np.float32)
        for group in _groups(range(len(texts)), pieces, _QUERY_PIECES_A_ROW, padded=False):
            out[group] = self._embed_packed([pieces[i] for i in group])
        return out

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed documents, in batches of similar lengths."""
        pieces = [self._truncated(encoded.ids) for encoded in self._tokenizer.encode_batch_fast(list(texts))]
        out = np.empty((len(texts), self.exported.identity.dimension), np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(pieces[i]))
        groups = list(_groups(by_length, pieces, _PIECES_A_BATCH, padded=True))
        # One batch per thread is about a fifth faster than all threads on one batch.
        with ThreadPoolExecutor(self._document_threads) as pool:
            rows = pool.map(lambda group: self._embed_rows([pieces[i] for i in group]), groups)
            for group, embeddings in zip(groups, rows, strict=True):
                out[group] = embeddings
        return out

    def count_pieces(self, text: str) -> int:
        """Count the word pieces of a text before truncation, including the two special tokens."""
        return len(self._tokenizer.encode(text).ids)

    def _truncated(self, pieces: list[int]) -> list[int]:
        """Truncate as sentence-transformers does: the end token stays."""
        limit = self.exported.max_pieces
        return pieces if len(pieces) <= limit else [*pieces[: limit - 1], pieces[-1]]

    def _embed_packed(self, texts: Sequence[list[int]]) -> Embeddings:
        """Embed texts in one packed row. Returns shape (texts, dimension)."""
        lengths = [len(text) for text in texts]
        ids = np.concatenate([np.asarray(text, np.int64) for text in texts])
        positions = np.concatenate([np.arange(length) for length in lengths])
        labels = np.arange(1, len(texts) + 1)
        rows = self._run(ids[None], positions[None], np.repeat(labels, lengths)[None], labels)
        packed: Embeddings = rows[0]
        return packed

    def _embed_rows(self, texts: Sequence[list[int]]) -> Embeddings:
        """Embed texts in one padded row each. Returns shape (texts, dimension)."""
        longest = max(map(len, texts))
        ids = np.zeros((len(texts), longest), np.int64)
        owners = np.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            owners[row, : len(text)] = 1
        positions = np.broadcast_to(np.arange(longest), ids.shape)
        return self._run(ids, np.ascontiguousarray(positions), owners, np.ones(1, np.int64))[:, 0]

    def _run(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        owners: NDArray[np.int64],
        labels: NDArray[np.int64],
    ) -> Embeddings:
        """Run the graph on inputs of shape (rows, pieces). Returns shape (rows, labels, dimension)."""
        feeds = {"input_ids": ids, "position_ids": positions, "owners": owners, "labels": labels}
        embeddings: Embeddings = self._session.run(None, feeds)[0]
        return embeddings


def _open_session(folder: Path, exported: ExportedModel) -> onnxruntime.InferenceSession:
    graph = folder / exported.graph.name
    options = onnxruntime.SessionOptions()
    # One thread per call: several calls run in parallel instead.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )
    except Exception as e:  # onnxruntime has its own exception types for each kind of invalid graph.
        raise _cannot_load(graph, e) from e
    found, stated = session.get_outputs()[0].shape[-1], exported.identity.dimension
    if found != stated:
        raise _cannot_load(graph, f"its embeddings have {found} dimensions, and {stated} are expected")
    return session


def _open_tokenizer(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    except Exception as e:  # tokenizers raises nothing more specific.
        raise _cannot_load(file, e) from e


def _cannot_load(file: Path, error: object) -> ModelUnavailableError:
    return ModelUnavailableError(f"The model file {file} cannot be loaded: {error}. {EXPORT_AGAIN}")


def _groups(
    order: Sequence[int], pieces: Sequence[Sequence[int]], budget: int, *, padded: bool
) -> Iterator[list[int]]:
    """Split texts, in this order, into groups of at most `budget` pieces. A longer text gets its own group.

    The size of a padded group is its longest text times its number of texts. The size of a packed group is
    the sum of its texts.
    """
    group: list[int] = []
    longest = total = 0
    for i in order:
        length = len(pieces[i])
        longest, total = max(longest, length), total + length
        if group and (longest * (len(group) + 1) if padded else total) > budget:
            yield group
            group, longest, total = [], length, length
        group.append(i)
    if group:
        yield group
