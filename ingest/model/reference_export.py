"""The export of a sentence-transformers model as an fp32 graph, which torch traces.

The graph covers all steps from word pieces to unit-length embeddings, including mean pooling. Its input is
packed rows (see retrieval.text.onnx_encoder).
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers.utils.logging import disable_progress_bar

from ingest.errors import ExportError
from ingest.model.graph import OPSET
from ingest.model.weights import weights_checksum
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.text.exported_model import ExportedFile, ExportedModel, sha256_of
from retrieval.text.vectors import Embeddings


def export_reference(model: str, scratch: Path, texts: Sequence[str]) -> tuple[ExportedModel, Embeddings]:
    """Write the files of an export into `scratch`. Return their description and the proof's embeddings.

    `model` is the folder or hub name of a sentence-transformers model. The embeddings are those that
    `SentenceTransformer.encode` returns for `texts`, of shape (texts, dimension). Raises ExportError.
    """
    folder, name = _locate(model, scratch)
    reference = _load(folder)
    exported = _write(reference, folder, name, scratch)
    expected = reference.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return exported, expected


def _locate(model: str, scratch: Path) -> tuple[Path, str]:
    """Return the folder of the weights and the name of the model in the manifest."""
    if Path(model).is_dir():
        return Path(model), Path(model).resolve().name
    try:
        SentenceTransformer(model, device="cpu").save(str(scratch / "hub"))
    except Exception as e:  # The hub client raises many types of exceptions.
        raise ExportError(f"{model!r} is not a folder, and could not be downloaded from the hub: {e}") from e
    return scratch / "hub", model


def _load(folder: Path) -> SentenceTransformer:
    """Load the reference, and refuse a model whose structure the graph does not reproduce."""
    disable_progress_bar()
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


class _PackedEncoder(torch.nn.Module):  # type: ignore[misc]
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
        hidden = self.bert.embeddings(
            input_ids=input_ids, position_ids=position_ids, token_type_ids=torch.zeros_like(input_ids)
        )
        hidden = self.bert.encoder(hidden, attention_mask=bias).last_hidden_state
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
    return ExportedModel(
        identity=ModelIdentity(name=name, weights_sha256=weights_checksum(folder), dimension=dimension),
        max_pieces=max_pieces,
        graph=ExportedFile(graph.name, sha256_of(graph)),
        tokenizer=ExportedFile(tokenizer.name, sha256_of(tokenizer)),
        proof="none yet",
    )


def _trace(encoder: _PackedEncoder, graph: Path) -> None:
    ids = torch.arange(1000, 1018).reshape(2, 9)
    owners = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 0, 0], [1, 1, 1, 1, 2, 2, 3, 3, 3]])
    rows = {0: torch.export.Dim("rows"), 1: torch.export.Dim("pieces")}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # The exporter warns about its own deprecated code.
        # It reports that torchvision is missing, which is not needed.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            encoder,
            (ids, torch.arange(9).repeat(2, 1), owners, torch.arange(1, 4)),
            str(graph),
            input_names=["input_ids", "position_ids", "owners", "labels"],
            output_names=["sentence_embeddings"],
            dynamic_shapes=(rows, rows, rows, {0: torch.export.Dim("texts")}),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
