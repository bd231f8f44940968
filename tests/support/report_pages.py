"""What the tests of reports share: a page as a browser reads it, and versions of any size."""

from html.parser import HTMLParser

import msgspec

from retrieval.catalogue.manifest import IndexCounts, Manifest
from tests.support.embedded_videos import manifest_of

_VOID = {"meta", "link", "br", "hr", "img"}


class Page(HTMLParser):
    """The text of a page, its tags and their attributes, and its addresses. It must close every element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str | None] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags |= {tag, *(f"{tag} {name}" for name, _ in attrs)}
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "data"}]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def version(name: str, *, videos: int, transcribed: int) -> Manifest:
    counts = IndexCounts(videos=videos, passages=9, videos_with_transcript=transcribed)
    return msgspec.structs.replace(manifest_of([], version=name), counts=counts)
