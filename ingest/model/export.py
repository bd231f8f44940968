"""`ingest export-model`: from a sentence-transformers model to the graph that the product serves.

The graph is fp32 and covers all steps from word pieces to unit-length embeddings, including mean pooling. Its
input is packed rows (see retrieval.text.onnx_encoder). It is written next to the current export and compared
with `SentenceTransformer.encode` before `model.json` refers to it. A failure leaves the old one in use.
"""

import contextlib
import io
import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers.utils.logging import disable_progress_bar

from ingest.errors import ExportError
from ingest.model.proof_texts import proof_texts
from ingest.model.weights import PINNED_MODEL, pinned_weights, weights_checksum
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.durable_files import LOCK_FILE, file_lock, replace_file, sync_folder, sync_tree
from retrieval.errors import ModelUnavailableError
from retrieval.settings import usable_cores
from retrieval.text.exported_model import DESCRIPTION_FILE, ExportedFile, ExportedModel, sha256_of
from retrieval.text.onnx_encoder import OnnxEncoder

MAX_DIFFERENCE = 1e-5
"""The largest absolute difference of a coordinate that the proof allows."""

_OPSET = 20
"""The first opset with GELU as one operator; onnxruntime does not fuse the operators of older ones."""


def export_model(target: Path, model: str | None = None) -> ExportedModel:
    """Export a model into `target` and return its description.

    `model` is the folder or hub name of a sentence-transformers model; None is the pinned package, whose
    checksum is verified. Raises ExportError; the previous export in `target` then stays in use.
    """
    with file_lock(target), tempfile.TemporaryDirectory(dir=target, prefix="exporting-") as scratch:
        folder, name = _locate(model, Path(scratch))
        reference = _load(folder)
        exported = _write(reference, folder, name, Path(scratch))
        difference = _prove(reference, Path(scratch), proof_texts())
        exported = msgspec.structs.replace(
            exported, proof=f"max abs difference {difference:.1e} from SentenceTransformer.encode"
        )
        return _put_in_place(exported, Path(scratch), target)


def _locate(model: str | None, scratch: Path) -> tuple[Path, str]:
    """Return the folder of the weights and the name of the model in the manifest."""
    if model is None:
        return pinned_weights(), PINNED_MODEL
    if Path(model).is_dir():
        return Path(model), Path(model).resolve().name
    try:
        SentenceTransformer(model, device="cpu").save(str(scratch / "hub"))
    except Exception as e:  # The hub client raises many types of exceptions.
        raise ExportError(f"{model!r} is not a folder, and could not be downloaded from the hub: {e}") from e
    return scratch / "hub", model


def _load(folder: Path) -> SentenceTransformer:
    """Load the reference, and refuse a model whose structure the graph does not reproduce."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        reference = SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"}, local_files_only=True
        )
    except Exception as e:  # Truncated weights, missing files and invalid JSON raise different types.
        raise ExportError(f"The model in {folder} cannot be loaded: {e}. Nothing was exported.") from e
    kinds = [type(module).__name__ for module in reference]
    bert = getattr(reference[0], "auto_model", None)
    pooling = reference[1] if len(kinds) > 1 else None
    if (
        kinds[1:] != [Pooling.__name__, Normalize.__name__]
        or getattr(pooling, "pooling_mode", None) != "mean"
        or type(bert).__name__ != "BertModel"
    ):
        raise ExportError(
            f"The model in {folder} consists of {', '.join(kinds)} over {type(bert).__name__}. Only BERT "
            "with mean pooling and normalisation can be exported."
        )
    return reference.eval()


class _PackedEncoder(torch.nn.Module):
    """The reference's modules with packed rows as input."""

    def __init__(self, bert: torch.nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, owners: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Embed rows of pieces; `owners` holds the text of each piece, `labels` the texts to pool."""
        same_text = owners.unsqueeze(2) == owners.unsqueeze(1)
        bias = torch.where(same_text, 0.0, torch.finfo(torch.float32).min).unsqueeze(1)
        hidden = self.bert.embeddings(  # type: ignore[operator]
            input_ids=input_ids, position_ids=position_ids, token_type_ids=torch.zeros_like(input_ids)
        )
        hidden = self.bert.encoder(hidden, attention_mask=bias).last_hidden_state  # type: ignore[operator]
        members = (owners.unsqueeze(1) == labels.reshape(1, -1, 1)).to(hidden.dtype)
        means = members @ hidden / members.sum(2, keepdim=True).clamp(min=1e-9)
        return torch.nn.functional.normalize(means, p=2.0, dim=2)


def _write(reference: SentenceTransformer, folder: Path, name: str, scratch: Path) -> ExportedModel:
    """Write the graph, the tokenizer and their description into the scratch folder."""
    graph, tokenizer = scratch / "graph.onnx", scratch / "tokenizer.json"
    _trace(_PackedEncoder(cast("torch.nn.Module", reference[0].auto_model)), graph)
    reference.tokenizer.save_pretrained(scratch / "tokenizer")
    (scratch / "tokenizer" / "tokenizer.json").replace(tokenizer)
    dimension, max_pieces = reference.get_embedding_dimension(), reference.max_seq_length
    if dimension is None or max_pieces is None:
        raise ExportError(f"The model in {folder} does not state the lengths of its texts and embeddings.")
    exported = ExportedModel(
        identity=ModelIdentity(name=name, weights_sha256=weights_checksum(folder), dimension=dimension),
        max_pieces=max_pieces,
        graph=ExportedFile(graph.name, sha256_of(graph)),
        tokenizer=ExportedFile(tokenizer.name, sha256_of(tokenizer)),
        proof="none yet",
    )
    (scratch / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(exported))
    return exported


def _trace(encoder: _PackedEncoder, graph: Path) -> None:
    ids = torch.arange(1000, 1018).reshape(2, 9)
    owners = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 0, 0], [1, 1, 1, 1, 2, 2, 3, 3, 3]])
    rows = {0: torch.export.Dim("rows"), 1: torch.export.Dim("pieces")}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # The exporter warns about its own deprecated code.
        logging.getLogger("torch.onnx").setLevel(
            logging.ERROR
        )  # It reports that torchvision is missing, which is not needed.
        torch.onnx.export(
            encoder,
            (ids, torch.arange(9).repeat(2, 1), owners, torch.arange(1, 4)),
            str(graph),
            input_names=["input_ids", "position_ids", "owners", "labels"],
            output_names=["sentence_embeddings"],
            dynamic_shapes=(rows, rows, rows, {0: torch.export.Dim("texts")}),
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _prove(reference: SentenceTransformer, scratch: Path, texts: Sequence[str]) -> float:
    """Compare the encoder's queries and documents with the reference; return the largest difference."""
    expected = reference.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
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
    """Move the files next to the current export, switch to them with one rename, then delete old files."""
    graph = ExportedFile(f"graph-{exported.graph.sha256[:12]}.onnx", exported.graph.sha256)
    tokenizer = ExportedFile(f"tokenizer-{exported.tokenizer.sha256[:12]}.json", exported.tokenizer.sha256)
    sync_tree(scratch)
    for file, new in ((exported.graph, graph), (exported.tokenizer, tokenizer)):
        (scratch / file.name).replace(target / new.name)
    description = msgspec.structs.replace(exported, graph=graph, tokenizer=tokenizer)
    sync_folder(target)
    replace_file(target / DESCRIPTION_FILE, msgspec.json.format(msgspec.json.encode(description)))
    kept = {DESCRIPTION_FILE, graph.name, tokenizer.name, scratch.name, LOCK_FILE}
    for left_over in target.iterdir():
        if left_over.name not in kept:
            # An older export, or a file of a killed run.
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    return description
