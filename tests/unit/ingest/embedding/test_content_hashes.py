from datetime import UTC, datetime

import msgspec
import pytest

from ingest.embedding import content_hashes as content
from ingest.embedding.content_hashes import embedded_transcript, record_of, stored_form
from retrieval.catalogue.manifest import ModelIdentity, PassageSettings
from retrieval.catalogue.video import Cue, Video

MODEL = ModelIdentity(name="m", weights_sha256="0" * 64, dimension=8)
SETTINGS = PassageSettings()
VIDEO = Video(
    video_id="v1",
    title="Growing tomatoes",
    transcript="Plant them deep.",
    cues=(Cue(0.0, 2.0, "Plant them"), Cue(2.0, 3.0, "deep.")),
    published_at=datetime(2024, 5, 31, tzinfo=UTC),
    url="https://videos.example.org/v1",
    channel="Garden",
    language="en",
    duration=3.0,
    thumbnail_url="https://videos.example.org/v1.jpg",
    tags=("garden",),
)
WITHOUT_CUES = msgspec.structs.replace(VIDEO, cues=())


@pytest.mark.parametrize(
    ("video", "changed"),
    [
        (VIDEO, {"transcript": "Plant them deeper."}),
        (WITHOUT_CUES, {"transcript": "Plant them deeper."}),
        (VIDEO, {"cues": ()}),
        (VIDEO, {"cues": (Cue(0.0, 2.0, "Plant them"), Cue(2.0, 3.0, "deeper."))}),
        (VIDEO, {"cues": (Cue(0.0, 2.0, "Plant them"), Cue(2.0, 3.5, "deep."))}),
        (VIDEO, {"cues": (Cue(0.0, 2.0, "Plant"), Cue(2.0, 3.0, "them deep."))}),
    ],
)
def test_embedded_fields_change_the_content_hash_only(video: Video, changed: dict[str, object]) -> None:
    before = stored_form(video, MODEL, SETTINGS)
    after = stored_form(msgspec.structs.replace(video, **changed), MODEL, SETTINGS)
    assert after.content_hash != before.content_hash
    assert after.record_hash == before.record_hash


@pytest.mark.parametrize("changed", [{"title": "Growing beans"}, {"transcript": None, "cues": ()}])
def test_embedded_and_displayed_fields_change_both_hashes(changed: dict[str, object]) -> None:
    before = stored_form(VIDEO, MODEL, SETTINGS)
    after = stored_form(msgspec.structs.replace(VIDEO, **changed), MODEL, SETTINGS)
    assert after.content_hash != before.content_hash
    assert after.record_hash != before.record_hash


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://videos.example.org/other"},
        {"url": None},
        {"published_at": datetime(2024, 6, 1, tzinfo=UTC)},
        {"channel": "Allotment"},
        {"language": "de"},
        {"duration": 4.0},
        {"thumbnail_url": None},
        {"tags": ("garden", "tomato")},
        {"media": "tomatoes.mp4"},
    ],
)
def test_displayed_fields_change_the_record_hash_only(changed: dict[str, object]) -> None:
    before = stored_form(VIDEO, MODEL, SETTINGS)
    after = stored_form(msgspec.structs.replace(VIDEO, **changed), MODEL, SETTINGS)
    assert after.content_hash == before.content_hash
    assert after.record_hash != before.record_hash


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (msgspec.structs.replace(MODEL, name="n"), SETTINGS),
        (msgspec.structs.replace(MODEL, weights_sha256="1" * 64), SETTINGS),
        (msgspec.structs.replace(MODEL, dimension=9), SETTINGS),
        (MODEL, PassageSettings(size=119)),
        (MODEL, PassageSettings(overlap=29)),
    ],
)
def test_another_model_or_passage_setting_changes_the_content_hash(
    model: ModelIdentity, settings: PassageSettings
) -> None:
    before, after = stored_form(VIDEO, MODEL, SETTINGS), stored_form(VIDEO, model, settings)
    assert after.content_hash != before.content_hash
    assert after.record_hash == before.record_hash


def test_another_cutting_version_changes_the_content_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored_form(VIDEO, MODEL, SETTINGS)
    monkeypatch.setattr(content, "CUTTING_VERSION", content.CUTTING_VERSION + 1)
    assert stored_form(VIDEO, MODEL, SETTINGS).content_hash != before.content_hash


def test_the_same_video_has_the_same_hashes() -> None:
    again = msgspec.json.decode(msgspec.json.encode(VIDEO), type=Video)
    assert stored_form(again, MODEL, SETTINGS) == stored_form(VIDEO, MODEL, SETTINGS)


def test_a_missing_transcript_is_embedded_as_in_the_tutorial() -> None:
    assert embedded_transcript(VIDEO) == "Plant them deep."
    assert embedded_transcript(msgspec.structs.replace(VIDEO, transcript=None)) == "n/a"


def test_a_record_has_a_cleaned_title_and_the_given_one() -> None:
    title = " Salt &amp; pepper\n"
    record = record_of(Video(video_id="tLf2bGhmWsI", title=title))
    assert (record.title, record.title_as_given) == ("Salt & pepper", title)
    assert record.url == "https://youtu.be/tLf2bGhmWsI"
    assert record.has_transcript is False


def test_a_record_has_all_fields_of_the_catalogue() -> None:
    record = record_of(VIDEO)
    told = ("video_id", "published_at", "url", "channel", "language", "duration", "thumbnail_url", "tags")
    assert [getattr(record, field) for field in told] == [getattr(VIDEO, field) for field in told]
    assert record.has_transcript is True


def test_a_video_without_a_file_has_the_hash_of_releases_before_the_field() -> None:
    before = "dfd9f92ecc1a99d19882fb5dc76d732a6562426d1035f584179836082fd83169"
    assert stored_form(VIDEO, MODEL, SETTINGS).record_hash == before


def test_a_file_is_the_address_of_a_video_before_youtube() -> None:
    video = Video(video_id="tLf2bGhmWsI", title="Tomatoes")
    assert record_of(video).url == "https://youtu.be/tLf2bGhmWsI"
    assert record_of(msgspec.structs.replace(video, media="t.mp4")).url is None
    own = msgspec.structs.replace(video, media="t.mp4", url="https://videos.example.org/t")
    assert record_of(own).url == "https://videos.example.org/t"
