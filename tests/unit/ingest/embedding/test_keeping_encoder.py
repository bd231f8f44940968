import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ingest.embedding.encoders import Model
from ingest.embedding.keeping_encoder import KeepingEncoder, keeping, made_by
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.text.vectors import Embeddings
from tests.support.documents import DIMENSION, WordEncoder, embedding_of, word_model

SALT, BREAD, OVEN = "salt", "bread and salt", "a hot oven"


class Run:
    """One run: a model that keeps what it embeds, what embedded it, and what was told."""

    def __init__(self, folder: Path | None, **changed: object) -> None:
        self.encoder = WordEncoder()
        self.model = msgspec.structs.replace(word_model(self.encoder), **changed)
        self._folder = folder
        self._out = io.StringIO()

    @property
    def told(self) -> str:
        return self._out.getvalue().replace("\n", " ").strip()

    def embed(self, *calls: list[str]) -> list[Embeddings]:
        with keeping(self.model, self._folder, Console(file=self._out, soft_wrap=True)) as model:
            return [model.catalogue_encoder.encode_documents(texts) for texts in calls]


def test_rows_are_in_the_order_of_the_texts(tmp_path: Path) -> None:
    Run(tmp_path).embed([BREAD, OVEN])
    run = Run(tmp_path)
    (rows,) = run.embed([OVEN, SALT, BREAD, SALT])
    assert rows.dtype == np.float32
    for row, text in zip(rows, [OVEN, SALT, BREAD, SALT], strict=True):
        assert row.tobytes() == embedding_of(text).tobytes()
    assert run.encoder.calls == [[SALT]]


def test_what_is_missing_is_embedded_in_one_call_and_each_text_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.embed([SALT, BREAD, SALT, OVEN], [OVEN, "flour", SALT])
    assert run.encoder.calls == [[SALT, BREAD, OVEN], ["flour"]]
    assert run.told == ""


def test_says_how_much_an_earlier_run_had_embedded(tmp_path: Path) -> None:
    Run(tmp_path).embed([f"text {n}" for n in range(1200)])
    run = Run(tmp_path)
    # What this run has kept itself is found as well, and not an earlier run's.
    run.embed([f"text {n}" for n in range(500, 1700)], ["text 1650", "text 3"])
    assert run.told == "Found 701 of 1,202 texts embedded by an earlier run."
    assert len(run.encoder.texts) == 500


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": ModelIdentity("words", "1" * 64, DIMENSION)},
        {"identity": ModelIdentity("words", "0" * 64, DIMENSION + 1)},
        {"max_pieces": 128},
        {"variant": ("cuda",)},
    ],
)
def test_another_models_embeddings_are_never_found(tmp_path: Path, changed: dict[str, object]) -> None:
    Run(tmp_path).embed([SALT, BREAD])
    run = Run(tmp_path, **changed)
    run.embed([SALT, BREAD])
    assert run.encoder.texts == [SALT, BREAD]
    assert made_by(run.model) != made_by(Run(tmp_path).model)


def test_a_models_name_alone_changes_nothing(tmp_path: Path) -> None:
    Run(tmp_path).embed([SALT])
    run = Run(tmp_path, identity=ModelIdentity("the same words", "0" * 64, DIMENSION))
    run.embed([SALT])
    assert run.encoder.calls == []


@pytest.mark.parametrize("damage", [np.nan, np.inf, 0.0, 3.0])
def test_what_is_no_embedding_is_given_and_not_kept(tmp_path: Path, damage: float) -> None:
    class Damaging(WordEncoder):
        def encode_documents(self, texts: list[str]) -> Embeddings:  # type: ignore[override]
            rows = super().encode_documents(texts)
            rows[texts.index(BREAD)] = damage
            return rows

    (rows,) = Run(tmp_path, encoder=Damaging()).embed([SALT, BREAD, OVEN])
    np.testing.assert_array_equal(rows[1], np.full(DIMENSION, damage, np.float32))
    run = Run(tmp_path)
    run.embed([SALT, BREAD, OVEN])
    assert run.encoder.calls == [[BREAD]]


def test_no_folder_keeps_nothing() -> None:
    run = Run(None)
    run.embed([SALT], [SALT])
    assert run.encoder.calls == [[SALT], [SALT]]
    assert run.told == ""


def test_a_folder_that_cannot_be_made_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = Run(tmp_path / "file" / "folder")
    (rows, _) = run.embed([SALT], [SALT])
    assert rows[0].tobytes() == embedding_of(SALT).tobytes()
    assert run.told.startswith(f"warning: Embeddings cannot be kept in {tmp_path / 'file' / 'folder'} (")
    assert run.told.count("warning") == 1


def test_what_verifies_a_version_finds_nothing_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with keeping(run.model, tmp_path, Console(file=io.StringIO())) as model:
        assert model.encoder is run.encoder
        assert isinstance(model.catalogue_encoder, KeepingEncoder)
        assert model.catalogue_encoder.count_pieces("two words") == run.encoder.count_pieces("two words")
        assert model.catalogue_encoder.asked == 0
    assert isinstance(run.model, Model)
    assert run.model.catalogue_encoder is run.encoder


def test_an_error_of_the_encoder_keeps_what_was_embedded_before(tmp_path: Path) -> None:
    class Tiring(WordEncoder):
        def encode_documents(self, texts: list[str]) -> Embeddings:  # type: ignore[override]
            if self.calls:
                raise MemoryError
            return super().encode_documents(texts)

    with pytest.raises(MemoryError):
        Run(tmp_path, encoder=Tiring()).embed([SALT], [BREAD])
    run = Run(tmp_path)
    run.embed([SALT, BREAD])
    assert run.encoder.calls == [[BREAD]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=6), max_size=3), max_size=3))
def test_with_and_without_what_is_kept_the_rows_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    embedded: list[str] = []
    for calls in runs:
        run = Run(folder)
        for rows, call in zip(run.embed(*calls), calls, strict=True):
            assert rows.tobytes() == np.stack([embedding_of(text) for text in call]).tobytes()
        embedded += run.encoder.texts
    assert len(embedded) == len(set(embedded))
