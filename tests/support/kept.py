"""The content of the embedding cache, read with SQLite directly."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ingest.embedding.embedding_cache import FILE


def kept(embeddings_dir: Path) -> dict[bytes, tuple[int, bytes]]:
    """Return number and entry by key. If a killed run left a journal, SQLite plays it back."""
    if not (embeddings_dir / FILE).exists():
        return {}
    with closing(sqlite3.connect(embeddings_dir / FILE, timeout=10)) as database:
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        rows = database.execute("SELECT key, number, entry FROM embeddings")
        return {key: (number, entry) for key, number, entry in rows}
