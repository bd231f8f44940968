import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.catalogue.links import (
    Player,
    PlayerKind,
    moment_url,
    player_at,
    watch_url,
    web_address,
    youtube_picture,
)

ID = "tLf2bGhmWsI"


@pytest.mark.parametrize(
    ("video_id", "url", "expected"),
    [
        (ID, "https://example.org/v/1", "https://example.org/v/1"),
        (ID, None, f"https://youtu.be/{ID}"),
        (ID, "", f"https://youtu.be/{ID}"),
        ("aB3-_456789", None, "https://youtu.be/aB3-_456789"),
        ("lower-case1", None, None),
        ("UPPER-CASE1", None, None),
        ("12345678901", None, None),
        ("tLf2bGhmWs", None, None),
        ("tLf2bGhmWsIx", None, None),
        ("tLf2bGhmWs!", None, None),
        ("tLf2bGhmWsI\n", None, None),
        ("\u0130Lf2bGhmWsI", None, None),
        ("", None, None),
    ],
)
def test_watch_url(video_id: str, url: str | None, expected: str | None) -> None:
    assert watch_url(video_id, url) == expected


@pytest.mark.parametrize(
    "url",
    [
        f"https://youtu.be/{ID}",
        f"https://youtu.be/{ID}?si=abc&t=99",
        f"http://www.youtube.com/watch?v={ID}",
        f"https://youtube.com/watch?list=PL1&v={ID}&t=5s#t=9",
        f"https://m.youtube.com/watch?v={ID}",
        f"https://music.youtube.com/watch?v={ID}",
        f"https://WWW.YouTube.com/watch?v={ID}",
        f"https://www.youtube.com/embed/{ID}?start=3",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"https://www.youtube.com/shorts/{ID}",
        f"https://www.youtube.com/live/{ID}?feature=share",
        f"https://www.youtube.com/v/{ID}",
    ],
)
def test_the_moment_url_of_youtube(url: str) -> None:
    assert moment_url(url, 12.9) == f"https://youtu.be/{ID}?t=12"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://vimeo.com/76979871", "https://vimeo.com/76979871#t=12s"),
        ("https://vimeo.com/76979871/ab12?x=1#t=3s", "https://vimeo.com/76979871/ab12?x=1#t=12s"),
        ("https://player.vimeo.com/video/76979871", "https://player.vimeo.com/video/76979871#t=12s"),
        ("https://example.org/talk.mp4", "https://example.org/talk.mp4#t=12"),
        ("http://example.org/talk?id=1&x=%20#intro", "http://example.org/talk?id=1&x=%20#t=12"),
        ("https://example.org/?", "https://example.org/?#t=12"),
        ("https://notyoutube.com/watch?v=tLf2bGhmWsI", "https://notyoutube.com/watch?v=tLf2bGhmWsI#t=12"),
        (
            "https://youtube.com.evil.example/embed/tLf2bGhmWsI",
            "https://youtube.com.evil.example/embed/tLf2bGhmWsI#t=12",
        ),
        ("https://www.youtube.com/playlist?list=PL1", "https://www.youtube.com/playlist?list=PL1#t=12"),
        ("https://www.youtube.com/watch?v=short", "https://www.youtube.com/watch?v=short#t=12"),
        ("https://youtu.be/", "https://youtu.be/#t=12"),
        ("https://notvimeo.com/1", "https://notvimeo.com/1#t=12"),
        ("file:///videos/talk.mp4", "file:///videos/talk.mp4"),
        ("talk.mp4", "talk.mp4"),
        ("https://", "https://"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_the_moment_url_of_other_sites(url: str, expected: str) -> None:
    assert moment_url(url, 12.9) == expected


def test_the_moment_url_without_a_time_is_the_url_of_the_video() -> None:
    assert moment_url("https://example.org/talk#intro", None) == "https://example.org/talk#intro"


def test_the_moment_url_of_an_unknown_url_is_unknown() -> None:
    assert moment_url(None, 12.0) is None
    assert moment_url(None, None) is None


def test_seconds_are_rounded_down_and_not_negative() -> None:
    assert moment_url("https://example.org/a", 0.0) == "https://example.org/a#t=0"
    assert moment_url("https://example.org/a", -0.5) == "https://example.org/a#t=0"
    assert moment_url("https://example.org/a", 3600.0) == "https://example.org/a#t=3600"


@given(st.text(), st.floats(0, 1e6))
def test_moment_url_accepts_any_text(url: str, start: float) -> None:
    assert moment_url(url, start) is not None


@pytest.mark.parametrize(
    "url",
    [
        *(None, "", "javascript:alert(1)", "data:text/html,x", "JavaScript:x", "//example.org/a", "/a"),
        "ftp://a/b",
        *("http://", "https:///a", "http://[::1", "java\nscript:x", "https://a.example/\n"),
        " https://a.example/",
        *("https://a.example/a b", "https:\\\\a.example", "vbscript:x", "blob:https://a.example/x"),
    ],
)
def test_an_unsafe_url_is_no_web_address_and_has_no_player(url: str | None) -> None:
    assert web_address(url) is None
    assert player_at(url, 1.0) is None


@pytest.mark.parametrize("url", ["https://a.example/x?y#z", "HTTP://A.example", "http://1.2.3.4:80/'\"<>"])
def test_a_web_address_is_unchanged(url: str) -> None:
    assert web_address(url) == url


NOCOOKIE = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ"


@pytest.mark.parametrize(
    ("url", "start", "kind", "address"),
    [
        ("https://youtu.be/dQw4w9WgXcQ", 12.9, "frame", f"{NOCOOKIE}?start=12&autoplay=1"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=5", None, "frame", f"{NOCOOKIE}?start=0&autoplay=1"),
        (
            "https://vimeo.com/76979871",
            61,
            "frame",
            "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1#t=61s",
        ),
        (
            "https://vimeo.com/76979871/abcdef0123",
            0,
            "frame",
            "https://player.vimeo.com/video/76979871?h=abcdef0123&autoplay=1&dnt=1#t=0s",
        ),
        (
            "https://vimeo.com/channels/staff/76979871",
            -1,
            "frame",
            "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1#t=0s",
        ),
        ("https://a.example/x.MP4?y=1#z", 3.7, "video", "https://a.example/x.MP4?y=1#t=3"),
        ("http://a.example/talk.webm", None, "video", "http://a.example/talk.webm"),
        ("https://a.example/talk.mp3", 8, "audio", "https://a.example/talk.mp3#t=8"),
    ],
)
def test_player_of_a_url(url: str, start: float | None, kind: PlayerKind, address: str) -> None:
    assert player_at(url, start) == Player(kind, address)


@pytest.mark.parametrize(
    "url",
    [
        *("https://a.example/talk", "https://a.example/mp4", "https://a.example/?f=x.mp4"),
        "https://vimeo.com/about",
        *("https://www.youtube.com/@handle", "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ"),
    ],
)
def test_other_pages_have_no_player(url: str) -> None:
    assert player_at(url, 1.0) is None


@pytest.mark.parametrize(
    ("url", "has_picture"),
    [
        (f"https://www.youtube.com/watch?v={ID}&t=9", True),
        (f"https://youtu.be/{ID}", True),
        ("https://www.youtube.com/@handle", False),
        (f"https://example.org/watch?v={ID}", False),
        (f"ftp://youtu.be/{ID}", False),
        (None, False),
    ],
)
def test_only_videos_on_youtube_have_its_picture(url: str | None, has_picture: object) -> None:
    picture = f"https://i.ytimg.com/vi/{ID}/mqdefault.jpg"
    assert youtube_picture(url) == (picture if has_picture else None)
