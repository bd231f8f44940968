"""Caption files without a catalogue: a folder in which each .vtt, .srt or .sbv file is one video."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ingest.errors import SourceError
from ingest.fields import clean_text
from ingest.rows import Place, RawRow, RowProblem, Severity, file_name

SUFFIXES: Final = (".vtt", ".srt", ".sbv")

_TIME: Final = r"(?:(\d{1,9}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)"
# WebVTT and SubRip, whose times may be followed by settings; YouTube's sbv has a comma and no more.
_ARROW: Final = re.compile(rf"\s*{_TIME}\s*-{{1,2}}>\s*{_TIME}(?:\s.*)?", re.ASCII)
_COMMA: Final = re.compile(rf"\s*{_TIME}\s*,\s*{_TIME}\s*", re.ASCII)
# Meant as a timing line, right or not. An arrow further on in a line is somebody's words.
_LIKE_TIMING: Final = re.compile(r"\s*\d[^\s]*\s*-{1,2}>")
_COMMENT: Final = re.compile(r"(NOTE|STYLE|REGION)\b")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class CaptionFolder:
    """The caption files of one folder, in the order of their names; the folders in it are not entered."""

    def __init__(self, path: Path) -> None:
        # A hidden file is an editor's or a file manager's, such as the `._x.srt` that macOS leaves.
        self._files = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
        )
        if not self._files:
            raise SourceError(
                f"{path}: has no {', '.join(SUFFIXES)} file in it; give the folder that holds them"
            )

    def rows(self) -> Iterator[RawRow]:
        """Read file by file."""
        return map(read_caption_file, self._files)


def read_caption_file(path: Path) -> RawRow:
    """Read one caption file; a file that gives no cue is a rejected row, never an exception."""
    place = Place(file_name(path))

    def problem(code: str, message: str, severity: Severity = "rejected") -> tuple[RowProblem, ...]:
        return (RowProblem(place, clean_text(path.stem), "cues", code, message, severity),)

    try:
        text = _decode(path.read_bytes())
    except OSError as error:
        return RawRow(
            place, None, problem("unreadable", f"cannot be read ({error.strerror}); check the file")
        )
    except UnicodeDecodeError as error:
        where = f"byte {error.start:,} is not {error.encoding}"
        return RawRow(place, None, problem("not-utf-8", f"{where}; save the file as UTF-8"))
    cues, skipped = parse_cues(text, timing=_COMMA if path.suffix.lower() == ".sbv" else _ARROW)
    if not cues:
        return RawRow(
            place, None, problem("no-cues", "has no line with times that a text follows; check the file")
        )
    title = path.stem.replace("_", " ").replace("-", " ")
    problems: tuple[RowProblem, ...] = ()
    if skipped:
        more = f" (and {len(skipped) - 1:,} more)" if len(skipped) > 1 else ""
        told = f"left out the text at line {skipped[0]:,}{more}: it has no readable times; correct them"
        problems = problem("captions-skipped", told, "warning")
    return RawRow(place, {"video_id": path.stem, "title": title, "cues": cues}, problems)


def _decode(data: bytes) -> str:
    return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")


def parse_cues(text: str, *, timing: re.Pattern[str] = _ARROW) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the cues that have a text, and the line numbers of what could not be used.

    More lenient than WebVTT: a header is not needed, nor are hours, leading zeros or fractions; blank lines
    between the times and their text are passed over.
    """
    cues: list[tuple[float, float, list[str]]] = []
    skipped: list[int] = []
    waiting: list[str] | None = None  # The lines of a cue whose text has yet to come, after a blank line.
    for first, block in _blocks(text):
        if _COMMENT.match(block[0]) and not any(timing.fullmatch(line) for line in block):
            continue
        heads = [i for i, line in enumerate(block) if timing.fullmatch(line) or _LIKE_TIMING.match(line)]
        if not heads:
            if waiting is not None:
                waiting.extend(block)
            elif cues:
                skipped.append(first)
            continue
        for head, end in zip(heads, [*heads[1:], len(block)], strict=True):
            lines = block[head + 1 : end]
            waiting = None
            if times := timing.fullmatch(block[head]):
                cues.append((_seconds(*times.group(1, 2, 3)), _seconds(*times.group(4, 5, 6)), lines))
                waiting = lines if not lines else None
            else:
                skipped.append(first + head)
    found = [{"start": start, "end": end, "text": _plain(lines)} for start, end, lines in cues]
    return [cue for cue in found if cue["text"]], skipped


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each run of lines that are not blank, with the number of its first line."""
    block: list[str] = []
    for number, line in enumerate([*_LINE_END.split(text), ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return round(int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", ".")), 3)


def _plain(lines: list[str]) -> str:
    """Join the lines by blanks, without the tags for looks, voices and karaoke times."""
    return " ".join(stripped for line in lines if (stripped := _TAG.sub("", line).strip()))
