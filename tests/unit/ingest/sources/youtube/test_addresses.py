from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.sources.youtube.addresses import CHANNEL, PREFIX, channel_url, source_of
from ingest.sources.youtube.channel import missing_key

CHANNEL_ID = "UC" + "x" * 22
COMMAND = "yt-dlp --skip-download --write-info-json --write-subs --write-auto-subs \\\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://www.youtube.com/@handle", "@handle"),
        ("https://youtube.com/@handle/videos?view=0#top", "@handle"),
        ("http://m.youtube.com/@handle/", "@handle"),
        ("HTTPS://WWW.YOUTUBE.COM/@Handle", "@Handle"),
        ("www.youtube.com/@handle", "@handle"),
        ("youtube.com/@handle", "@handle"),
        (" https://www.youtube.com/@handle\n", "@handle"),
        (" youtube.com/@handle", "@handle"),
        ("https://www.youtube.com/@%E6%9D%B1%E4%BA%AC%E9%83%BD", "@東京都"),
        (f"https://www.youtube.com/channel/{CHANNEL_ID}", CHANNEL_ID),
        (f"https://www.youtube.com/channel/{CHANNEL_ID}/streams", CHANNEL_ID),
        ("https://www.youtube.com/user/TEDtalksDirector", "user/TEDtalksDirector"),
    ],
)
def test_the_url_of_a_channel_is_that_channel(text: str, name: str) -> None:
    assert str(source_of(text)) == f"{PREFIX}{name}"
    assert CHANNEL.fullmatch(name)
    assert str(source_of(channel_url(f"{PREFIX}{name}"))) == f"{PREFIX}{name}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "https://www.youtube.com/playlist?list=PL1&x=2",
            "is the URL of a playlist; give that of its",
        ),
        ("https://www.youtube.com/watch?v=abc&list=PL1", "is the URL of a video;"),
        ("https://www.youtube.com/shorts/abc", "is the URL of a short;"),
        ("https://youtu.be/abc?t=3&x=1", "is the URL of a video;"),
        ("https://www.youtube.com/live/abc?x=1&y=2", "is the URL of a video;"),
        ("https://www.youtube.com/c/Name?x=1&y=2", "is an old channel URL"),
        ("https://www.youtube.com/?x=1&y=2", "is the URL of a page;"),
        ("https://www.youtube.com/channel/short?x=1&y=2", "contains no channel id"),
    ],
)
def test_other_youtube_urls_are_named_and_the_message_gives_what_works(text: str, problem: str) -> None:
    with pytest.raises(SourceError) as raised:
        source_of(text)
    assert str(raised.value).startswith(f"{text}: {problem}")
    assert "https://www.youtube.com/@handle" in str(raised.value)
    assert COMMAND in raised.value.hint
    assert text in raised.value.hint
    assert all(len(line) <= 80 for line in raised.value.hint.splitlines())


@pytest.mark.parametrize(
    "text", ["https://example.org/a.csv", "s3://bucket/a.csv", "http://[::1/x", "file:///a"]
)
def test_other_urls_are_refused_as_they_were_given(text: str) -> None:
    with pytest.raises(SourceError, match="only YouTube channels are read from the web") as raised:
        source_of(text)
    assert str(raised.value).startswith(f"{text}: is a URL")


@pytest.mark.parametrize("text", ["talks.csv", "youtube:@handle", "a:b", "/data/x y", "youtube.com"])
def test_anything_else_is_a_path(text: str) -> None:
    assert source_of(text) == Path(text)


def test_a_file_with_such_a_name_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "youtube.com").mkdir()
    (tmp_path / "youtube.com" / "@handle").write_text("")
    assert source_of("youtube.com/@handle") == Path("youtube.com/@handle")


def test_without_a_key_the_message_says_where_to_get_one_and_what_needs_none() -> None:
    error = missing_key("youtube:handle")
    assert "set YT_API_KEY to a key for the YouTube Data API v3" in str(error)
    assert "https://console.cloud.google.com/" in str(error)
    assert COMMAND in error.hint
    assert "https://www.youtube.com/@handle\n" in error.hint
