"""What the file of kept embeddings holds, read past the product."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ingest.embedding.kept_embeddings import FILE


def kept(embeddings_dir: Path) -> dict[bytes, tuple[int, bytes]]:
    """Number and entry by key; a kill may have left a journal, which reading plays back."""
    if not (embeddings_dir / FILE).exists():
        return {}
    with closing(sqlite3.connect(embeddings_dir / FILE, timeout=10)) as database:
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        rows = database.execute("SELECT key, number, entry FROM embeddings")
        return {key: (number, entry) for key, number, entry in rows}
