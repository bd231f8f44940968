import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedding.caching_encoder import CachingEncoder, caching, fingerprint_of
from ingest.embedding.encoders import Model
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.text.vectors import Embeddings
from tests.support.documents import DIMENSION, WordEncoder, embedding_of, word_model

SALT, BREAD, OVEN = "salt", "bread and salt", "a hot oven"


class Run:
    """One run: a model with a cache, its encoder, and the printed lines."""

    def __init__(self, folder: Path | None, **changed: object) -> None:
        self.encoder = WordEncoder()
        self.model = msgspec.structs.replace(word_model(self.encoder), **changed)
        self._folder = folder
        self._out = io.StringIO()

    @property
    def printed(self) -> str:
        return self._out.getvalue().replace("\n", " ").strip()

    def embed(self, *calls: list[str]) -> list[Embeddings]:
        with caching(self.model, self._folder, Terminal(file=self._out)) as model:
            return [model.catalogue_encoder.encode_documents(texts) for texts in calls]


def test_missing_texts_are_embedded_once_and_in_one_call(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.embed([SALT, BREAD, SALT, OVEN], [OVEN, "flour", SALT])
    assert run.encoder.calls == [[SALT, BREAD, OVEN], ["flour"]]
    assert run.printed == ""


def test_the_number_of_texts_from_an_earlier_run_is_printed(tmp_path: Path) -> None:
    Run(tmp_path).embed([f"text {n}" for n in range(1200)])
    run = Run(tmp_path)
    # Texts that this run itself has cached are not counted.
    run.embed([f"text {n}" for n in range(500, 1700)], ["text 1650", "text 3"])
    assert run.printed == "Found 701 of 1,202 texts embedded by an earlier run."
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
def test_embeddings_of_another_model_are_not_found(tmp_path: Path, changed: dict[str, object]) -> None:
    Run(tmp_path).embed([SALT, BREAD])
    run = Run(tmp_path, **changed)
    run.embed([SALT, BREAD])
    assert run.encoder.texts == [SALT, BREAD]
    assert fingerprint_of(run.model) != fingerprint_of(Run(tmp_path).model)


def test_the_name_of_a_model_alone_does_not_matter(tmp_path: Path) -> None:
    Run(tmp_path).embed([SALT])
    run = Run(tmp_path, identity=ModelIdentity("the same words", "0" * 64, DIMENSION))
    run.embed([SALT])
    assert run.encoder.calls == []


@pytest.mark.parametrize("damage", [np.nan, np.inf, 0.0, 3.0])
def test_an_invalid_embedding_is_returned_but_not_cached(tmp_path: Path, damage: float) -> None:
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


def test_without_a_folder_nothing_is_cached() -> None:
    run = Run(None)
    run.embed([SALT], [SALT])
    assert run.encoder.calls == [[SALT], [SALT]]
    assert run.printed == ""


def test_a_folder_that_cannot_be_created_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = Run(tmp_path / "file" / "folder")
    (rows, _) = run.embed([SALT], [SALT])
    assert rows[0].tobytes() == embedding_of(SALT).tobytes()
    assert run.printed.startswith(f"warning: Cannot cache embeddings in {tmp_path / 'file' / 'folder'}: ")
    assert run.printed.count("warning") == 1


def test_the_encoder_that_verifies_a_version_has_no_cache(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with caching(run.model, tmp_path, Terminal(file=io.StringIO())) as model:
        assert model.encoder is run.encoder
        assert isinstance(model.catalogue_encoder, CachingEncoder)
        assert model.catalogue_encoder.count_pieces("two words") == run.encoder.count_pieces("two words")
        assert model.catalogue_encoder.requested == 0
    assert isinstance(run.model, Model)
    assert run.model.catalogue_encoder is run.encoder


def test_embeddings_before_an_error_of_the_encoder_stay_cached(tmp_path: Path) -> None:
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
def test_the_rows_are_the_same_with_and_without_the_cache(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    embedded: list[str] = []
    for calls in runs:
        run = Run(folder)
        for rows, call in zip(run.embed(*calls), calls, strict=True):
            assert rows.tobytes() == np.stack([embedding_of(text) for text in call]).tobytes()
        embedded += run.encoder.texts
    assert len(embedded) == len(set(embedded))
