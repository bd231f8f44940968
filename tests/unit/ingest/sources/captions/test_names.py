from pathlib import Path

import pytest

from ingest.sources.captions.choice import CaptionTrack, order_tracks
from ingest.sources.captions.names import CaptionName, id_and_title, parse_caption_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("talk.vtt", CaptionName("talk")),
        ("talk.en.vtt", CaptionName("talk", "en")),
        ("Talk.EN-us.SRT", CaptionName("Talk", "en")),
        ("talk.pt-BR.srt", CaptionName("talk", "pt-BR")),
        ("talk.zh-Hans.json3", CaptionName("talk", "zh-Hans")),
        ("talk.es-419.vtt", CaptionName("talk", "es-419")),
        ("talk.en-orig.vtt", CaptionName("talk", "en", is_automatic=True, is_original=True)),
        ("talk.en-nP7-2PuUl7o.vtt", CaptionName("talk", "en")),
        ("talk.en-de.vtt", CaptionName("talk", "en")),
        ("talk.en.sdh.srt", CaptionName("talk", "en")),
        ("talk.en.auto.vtt", CaptionName("talk", "en", is_automatic=True)),
        ("talk.final.vtt", CaptionName("talk.final")),
        ("lecture 1.2.vtt", CaptionName("lecture 1.2")),
        ("v1.0.en.vtt", CaptionName("v1.0", "en")),
        ("en.vtt", CaptionName("en")),
        ("a.de.en.vtt", CaptionName("a.de", "en")),
    ],
)
def test_names_are_split_into_their_parts(name: str, expected: CaptionName) -> None:
    assert parse_caption_name(name) == expected


def test_the_text_after_a_known_stem_is_the_language() -> None:
    assert parse_caption_name("Is it.to.en.vtt", stem="Is it.to") == CaptionName("Is it.to", "en")
    assert parse_caption_name("Is it.to.vtt", stem="Is it.to") == CaptionName("Is it.to")
    assert parse_caption_name("Talk.eng.vtt", stem="Talk") == CaptionName("Talk", "eng")
    assert parse_caption_name("Talk.English.vtt", stem="Talk") == CaptionName("Talk")


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Why? A Talk [dQw4w9WgXcQ]", ("dQw4w9WgXcQ", "Why? A Talk")),
        ("Talk [76979871]", ("76979871", "Talk")),
        ("a [b] c [x-y_z1]", ("x-y_z1", "a [b] c")),
        ("Song [Official]", ("Song [Official]", "Song [Official]")),
        ("Song [REMIXED]", ("Song [REMIXED]", "Song [REMIXED]")),
        ("Clip [1080p60]", ("Clip [1080p60]", "Clip [1080p60]")),
        ("[dQw4w9WgXcQ]", ("[dQw4w9WgXcQ]", "[dQw4w9WgXcQ]")),
        ("b_second-talk", ("b_second-talk", "b second talk")),
    ],
)
def test_id_and_title_of_a_stem(stem: str, expected: tuple[str, str]) -> None:
    assert id_and_title(stem) == expected


def track(name: str, language: str | None = None, kind: str | None = None) -> CaptionTrack:
    return CaptionTrack(Path(name), language, kind, "orig" in name)  # type: ignore[arg-type]


MANUAL = track("a.en.vtt", "en", "manual")
BRITISH = track("a.en-GB.vtt", "en-GB", "manual")
JSON3 = track("a.en.json3", "en", "manual")
GERMAN = track("a.de.vtt", "de", "manual")
FRENCH = track("a.fr.vtt", "fr", "manual")
AUTOMATIC = track("a.en-x.vtt", "en", "automatic")
ORIGINAL = track("a.en-orig.vtt", "en", "automatic")
UNSAID = track("a.vtt")


@pytest.mark.parametrize(
    ("tracks", "languages", "spoken"),
    [
        ([JSON3, MANUAL, BRITISH, ORIGINAL, AUTOMATIC, UNSAID, FRENCH], ("en",), None),
        ([AUTOMATIC, GERMAN, FRENCH], ("en",), "de"),
        ([GERMAN, MANUAL, FRENCH], ("de", "en"), None),
        ([UNSAID, GERMAN, FRENCH], ("en",), "en"),
        ([GERMAN, FRENCH], ("en",), "de"),
        ([BRITISH, MANUAL], ("en-GB",), None),
        ([MANUAL, GERMAN], ("en-US",), None),
        ([MANUAL, GERMAN], (), "en"),
    ],
)
def test_the_order_of_tracks(
    tracks: list[CaptionTrack], languages: tuple[str, ...], spoken: str | None
) -> None:
    assert order_tracks(reversed(tracks), languages, spoken) == tracks
