from datetime import UTC, datetime

import msgspec
import pytest

from retrieval.catalogue.manifest import (
    SCHEMA_VERSION,
    IndexCounts,
    Manifest,
    ModelIdentity,
    PassageSettings,
    check_servable,
)
from retrieval.errors import IncompatibleIndexError, IndexUnavailableError

MODEL = ModelIdentity(name="all-MiniLM-L6-v2", weights_sha256="53aa51172d14" + "0" * 52, dimension=384)
MANIFEST = Manifest(
    index_version="20240531T120000Z-abc123",
    model=MODEL,
    passage_settings=PassageSettings(size=90, overlap=10),
    counts=IndexCounts(videos=8, passages=40, videos_with_transcript=6),
    built_at=datetime(2024, 5, 31, 12, 0, 0, 5, tzinfo=UTC),
    canaries=("A title", "猫"),
    is_sample=True,
)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "schema version"),
        ({"schema_version": SCHEMA_VERSION - 1}, "schema version"),
        ({"distance": "cosine"}, "cosine"),
        ({"model": msgspec.structs.replace(MODEL, name="another")}, "another"),
        ({"model": msgspec.structs.replace(MODEL, weights_sha256="f" * 64)}, "ffffffffffff"),
        ({"model": msgspec.structs.replace(MODEL, dimension=768)}, "768"),
    ],
)
def test_another_schema_distance_or_model_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(IncompatibleIndexError, match=message) as refused:
        check_servable(msgspec.structs.replace(MANIFEST, **changed), MODEL)
    assert MANIFEST.index_version in str(refused.value)
    assert isinstance(refused.value, IndexUnavailableError)


def test_the_refusal_of_a_model_names_both_models_and_a_command() -> None:
    served = msgspec.structs.replace(MODEL, name="served-model", weights_sha256="e" * 64)
    with pytest.raises(
        IncompatibleIndexError, match=r"all-MiniLM-L6-v2.*53aa51172d14.*served-model.*e{12}.*sync"
    ):
        check_servable(MANIFEST, served)
