import pytest

from retrieval.catalogue.media_files import LONGEST_PATH, is_media_path, media_type


@pytest.mark.parametrize(
    "path", ["talk.mp4", "a/b c/Talk [x].WEBM", ".hidden/t.mp3", "..t/...mp4", "\u3000\u00e9.ogg", "a.b.wav"]
)
def test_a_relative_path_of_a_media_file(path: str) -> None:
    assert is_media_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", ".", "..", "talk", "talk.txt", "mp4", ".mp4", "a/.mp4"),
        *(
            "/talk.mp4",
            "//talk.mp4",
            "../talk.mp4",
            "a/../talk.mp4",
            "./talk.mp4",
            "a//talk.mp4",
            "talk.mp4/",
        ),
        *("a\\talk.mp4", "talk\0.mp4", "talk\n.mp4", "talk\x7f.mp4", "talk\udce9.mp4"),
        *("\u00e9" * 126 + ".mp4", "x/" * (LONGEST_PATH // 2) + "x.mp4"),
    ],
)
def test_any_other_text_is_refused(path: str) -> None:
    assert not is_media_path(path)


def test_the_type_depends_on_the_suffix() -> None:
    assert (media_type("a/T.MP4"), media_type("t.m4a"), media_type("t.html")) == (
        "video/mp4",
        "audio/mp4",
        None,
    )
