"""Changes to the files of a model."""

import json
from pathlib import Path


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
