"""The graph of all-MiniLM-L6-v2 with packed rows as input (see retrieval.text.onnx_encoder).

It ships with the package as GRAPH_FILE, which `make model-assets` writes with this module. The graph contains
no weights. It refers to the tensors of the model's safetensors file by offset and length, so it fits the file
with the checksum PINNED_WEIGHTS_SHA256 and no other.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ingest.model.weights import SERVED_WEIGHTS_FILE

OPSET = 20
"""The first opset with GELU as one operator; onnxruntime does not fuse the operators of older ones."""

_IR_VERSION = 10
_LAYERS = 6
_HEADS = 12
_HEAD_SIZE = 32
_EPSILON = 1e-12


class _Graph:
    """A graph under construction. Each method adds nodes or tensors and returns the name of the result."""

    def __init__(self, header: Mapping[str, Any], data_offset: int) -> None:
        self._header = header
        self._data_offset = data_offset
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: Any, dtype: type = np.int64) -> str:
        name = f"{dtype.__name__}_{value}".replace(" ", "")
        self.tensors[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name

    def weight(self, name: str) -> str:
        """Refer to a tensor of the safetensors file."""
        entry = self._header[name]
        start, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", SERVED_WEIGHTS_FILE),
            ("offset", self._data_offset + start),
            ("length", end - start),
        ):
            tensor.external_data.add(key=key, value=str(value))
        self.tensors[name] = tensor
        return name

    def linear(self, values: str, name: str) -> str:
        # The file stores the matrix as (outputs, inputs). onnxruntime transposes it while it loads the graph.
        matrix = self.add("Transpose", self.weight(f"{name}.weight"), perm=[1, 0])
        return self.add("Add", self.add("MatMul", values, matrix), self.weight(f"{name}.bias"))

    def normalised(self, values: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", values, scale, bias, axis=-1, epsilon=_EPSILON)


def build_graph(weights: Path) -> bytes:
    """Return the serialised graph for a safetensors file of all-MiniLM-L6-v2.

    Inputs, all int64: `input_ids`, `position_ids` and `owners` of shape (rows, pieces), `labels` of shape
    (texts). A piece attends to the pieces of its row with the same owner. Output: `sentence_embeddings`,
    float32 of shape (rows, texts, 384), for each label the unit-length mean over the pieces with that owner.
    """
    header, data_offset = _safetensors_header(weights)
    graph = _Graph(header, data_offset)
    size = graph.add("Shape", "input_ids")
    bias = _attention_bias(graph)
    hidden = _embeddings(graph)
    for layer in range(_LAYERS):
        hidden = _layer(graph, hidden, f"encoder.layer.{layer}", bias, size)
    _pool(graph, hidden)
    rows = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "pieces"])
        for name in ("input_ids", "position_ids", "owners")
    ]
    labels = helper.make_tensor_value_info("labels", TensorProto.INT64, ["texts"])
    embeddings = helper.make_tensor_value_info(
        "sentence_embeddings", TensorProto.FLOAT, ["rows", "texts", _HEADS * _HEAD_SIZE]
    )
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "all-MiniLM-L6-v2", [*rows, labels], [embeddings], [*graph.tensors.values()]
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="vidsearch",
    )
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _safetensors_header(file: Path) -> tuple[Mapping[str, Any], int]:
    """Return the header, which describes each tensor, and the offset of the data behind it.

    Format: the length of the header in 8 bytes, little-endian, then the header as JSON
    (https://huggingface.co/docs/safetensors).
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        return json.loads(opened.read(length)), 8 + length


def _attention_bias(graph: _Graph) -> str:
    """Add 0 for two pieces with the same owner, else the lowest float. Shape (rows, 1, pieces, pieces)."""
    axis = graph.constant([1])
    same = graph.add(
        "Equal", graph.add("Unsqueeze", "owners", graph.constant([2])), graph.add("Unsqueeze", "owners", axis)
    )
    lowest = graph.constant(np.finfo(np.float32).min, np.float32)
    return graph.add("Unsqueeze", graph.add("Where", same, graph.constant(0.0, np.float32), lowest), axis)


def _embeddings(graph: _Graph) -> str:
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    kind = graph.add("Gather", graph.weight("embeddings.token_type_embeddings.weight"), graph.constant(0))
    positions = graph.add("Gather", graph.weight("embeddings.position_embeddings.weight"), "position_ids")
    return graph.normalised(
        graph.add("Add", graph.add("Add", words, kind), positions), "embeddings.LayerNorm"
    )


def _layer(graph: _Graph, hidden: str, name: str, bias: str, size: str) -> str:
    """Add a layer of BERT: attention, then the feed-forward network, each with a residual connection."""
    split = graph.add("Concat", size, graph.constant([_HEADS, _HEAD_SIZE]), axis=0)

    def heads(part: str, perm: list[int]) -> str:
        values = graph.linear(hidden, f"{name}.attention.self.{part}")
        return graph.add("Transpose", graph.add("Reshape", values, split), perm=perm)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scale = graph.constant(_HEAD_SIZE**-0.5, np.float32)
    scores = graph.add("Add", graph.add("Mul", graph.add("MatMul", query, key), scale), bias)
    context = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    joined = graph.add(
        "Reshape",
        graph.add("Transpose", context, perm=[0, 2, 1, 3]),
        graph.add("Concat", size, graph.constant([_HEADS * _HEAD_SIZE]), axis=0),
    )
    attended = graph.add("Add", graph.linear(joined, f"{name}.attention.output.dense"), hidden)
    attended = graph.normalised(attended, f"{name}.attention.output.LayerNorm")
    inner = graph.add("Gelu", graph.linear(attended, f"{name}.intermediate.dense"))
    output = graph.add("Add", graph.linear(inner, f"{name}.output.dense"), attended)
    return graph.normalised(output, f"{name}.output.LayerNorm")


def _pool(graph: _Graph, hidden: str) -> None:
    """Add the mean over the pieces of each label, divided by its Euclidean length."""
    labels = graph.add("Reshape", "labels", graph.constant([1, -1, 1]))
    owners = graph.add("Unsqueeze", "owners", graph.constant([1]))
    members = graph.add("Cast", graph.add("Equal", owners, labels), to=TensorProto.FLOAT)
    last = graph.constant([2])
    count = graph.add("Clip", graph.add("ReduceSum", members, last), graph.constant(1e-9, np.float32))
    means = graph.add("Div", graph.add("MatMul", members, hidden), count)
    length = graph.add("Clip", graph.add("ReduceL2", means, last), graph.constant(1e-12, np.float32))
    graph.nodes.append(helper.make_node("Div", [means, length], ["sentence_embeddings"]))
