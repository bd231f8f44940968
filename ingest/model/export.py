"""`ingest export-model`: from a sentence-transformers model to the graph that the product serves.

The graph is fp32 and holds everything from word pieces to unit-length embeddings, mean pooling included. It
takes packed rows (see retrieval.text.onnx_encoder). It is written beside the export in use, proved against
`SentenceTransformer.encode`, and only then named by `model.json`: a failure at any point leaves what was
there.
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
"""The largest absolute difference of any coordinate that the proof allows."""

_OPSET = 20
"""The first opset with GELU as one operator; older ones spell it out and onnxruntime misses the fusion."""


def export_model(target: Path, model: str | None = None) -> ExportedModel:
    """Export a model into `target` and return its description.

    `model` is the folder or hub name of a sentence-transformers model; None means the pinned package, whose
    checksum is verified. Raises ExportError, and then `target` serves what it served before.
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
    """Find the folder of the weights and the name that the manifest will give the model."""
    if model is None:
        return pinned_weights(), PINNED_MODEL
    if Path(model).is_dir():
        return Path(model), Path(model).resolve().name
    try:
        SentenceTransformer(model, device="cpu").save(str(scratch / "hub"))
    except Exception as e:  # The hub client raises types of its own for each way of failing.
        raise ExportError(
            f"{model!r} is neither a folder nor a model that could be fetched from the hub: {e}"
        ) from e
    return scratch / "hub", model


def _load(folder: Path) -> SentenceTransformer:
    """Load the reference, and refuse a model whose shape the graph does not reproduce."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        reference = SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"}, local_files_only=True
        )
    except Exception as e:  # Truncated weights, missing files and wrong JSON each raise another type.
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
            f"The model in {folder} is made of {', '.join(kinds)} over {type(bert).__name__}. Only BERT with "
            "mean pooling and normalisation can be exported."
        )
    return reference.eval()


class _PackedEncoder(torch.nn.Module):
    """The reference's modules, reading packed rows."""

    def __init__(self, bert: torch.nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, owners: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Embed rows of pieces; `owners` says whose each piece is, `labels` which owners to pool."""
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
        raise ExportError(f"The model in {folder} does not say how long its texts and its embeddings are.")
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
        warnings.simplefilter("ignore")  # The exporter warns of its own deprecated internals.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # It misses torchvision, which nothing needs.
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
    """Compare both of the encoder's ways with the reference; return the largest difference found."""
    expected = reference.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    try:
        encoder = OnnxEncoder(scratch, document_threads=usable_cores())
    except ModelUnavailableError as e:
        raise ExportError(f"The exported graph cannot be used: {e}") from e
    ways = (encoder.encode_queries(texts), encoder.encode_documents(texts))
    difference = float(np.abs(np.stack(ways) - expected).max())
    # Not a number fails the comparison too.
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(
            f"The exported graph is not the model: over {len(texts)} texts its embeddings differ by up to "
            f"{difference:.1e}, and {MAX_DIFFERENCE:.0e} is allowed. The export in use was left in place."
        )
    return difference


def _put_in_place(exported: ExportedModel, scratch: Path, target: Path) -> ExportedModel:
    """Move the files beside the export in use, then switch to them by one rename, then tidy up."""
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
            # An older export, or what a run that was killed left behind.
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    return description
