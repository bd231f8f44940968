"""One caption file: read as what its name says it is, else as what it turns out to be, and made into rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ingest.rows.fields import clean_text, is_absent
from ingest.rows.row import Place, RawRow, RowProblem, Severity, file_name
from ingest.sources.captions import decoding
from ingest.sources.captions.choice import CaptionTrack
from ingest.sources.captions.decoding import CaptionFileError, Telling, read_caption_text
from ingest.sources.captions.json_dumps import is_large_dump, read_dump
from ingest.sources.captions.json_transcripts import parse_json_transcripts
from ingest.sources.captions.names import id_and_title
from ingest.sources.captions.subtitles import Transcript, parse_subtitles
from ingest.sources.captions.ttml import looks_like_ttml, parse_ttml

_TTML_SUFFIXES: Final = frozenset({".ttml", ".dfxp"})
_NO_CUES: Final = "has no line with times that a text follows; check the file"
_NUMBERED: Final = (
    "has neither an id nor a title of its own, so its place in the file is its id, and moves when others are "
    "added before it; give each a video_id"
)


def read_transcripts(path: Path) -> tuple[list[Transcript], tuple[Telling, ...]]:
    """Return the transcripts in a file, and what there is to tell about the file as a whole.

    Raises CaptionFileError for a file that holds none.
    """
    text, telling = read_caption_text(path)
    suffix = path.suffix.lower()
    if suffix.startswith(".json") or text.lstrip("\ufeff \t\r\n").startswith(("{", "[{")):
        try:
            return parse_json_transcripts(text), telling
        except CaptionFileError:
            # A caption may begin with a bracket, so a subtitle file is only tried as JSON.
            if suffix.startswith(".json"):
                raise
    if suffix in _TTML_SUFFIXES or looks_like_ttml(text):
        transcript = parse_ttml(text)
        if not transcript.cues:
            raise CaptionFileError("no-cues", _NO_CUES)
        return [transcript], telling
    transcript = parse_subtitles(text, commas=suffix == ".sbv")
    if not transcript.cues:
        transcript = parse_subtitles(text, commas=suffix != ".sbv")
    if not transcript.cues:
        raise CaptionFileError("no-cues", _NO_CUES)
    return [transcript], telling


def tell(place: Place, video_id: str | None, telling: Telling) -> RowProblem:
    """Return something about a video's captions as a problem of its row."""
    code, message, severity = telling
    return RowProblem(place, clean_text(video_id) if video_id else None, "cues", code, message, severity)


def rows_of_file(track: CaptionTrack, stem: str) -> Iterator[RawRow]:
    """Read a caption file that nothing else tells of: id and title are its name's, unless it has its own.

    A dump gives a row for each of its transcripts. One without an id of its own gets it from its title, so
    that it stays when others are added or taken out; one without a title either is numbered.
    """
    place = Place(file_name(track.path))
    video_id, title = id_and_title(stem)
    try:
        if dump := _large_dump(track.path):
            yield from _rows_of_dump(track, stem, dump, None)
            return
        transcripts, telling = read_transcripts(track.path)
        if len(transcripts) > 1:
            yield from _rows_of_dump(track, stem, transcripts, telling)
            return
    except OSError as error:
        told: Telling = ("unreadable", f"cannot be read ({error.strerror}); check the file", "rejected")
        yield RawRow(place, None, (tell(place, video_id, told),))
    except CaptionFileError as error:
        yield RawRow(place, None, (tell(place, video_id, (error.code, str(error), "rejected")),))
    else:
        values = {"video_id": video_id, "title": title} | transcripts[0].details
        yield _row_of(place, values, track, transcripts[0], telling)


def _large_dump(path: Path) -> Iterator[Transcript] | None:
    """Open a file that is large and a dump; None for another, which can be read whole.

    Raises CaptionFileError for one too large for that, OSError where it cannot be read.
    """
    if not is_large_dump(path):
        return None
    dump = read_dump(path)
    try:
        first = next(dump)
    except CaptionFileError:
        if path.stat().st_size > decoding.MAX_FILE_BYTES:
            raise
        return None
    return chain([first], dump)


def _rows_of_dump(
    track: CaptionTrack,
    stem: str,
    transcripts: Iterable[Transcript],
    telling: tuple[Telling, ...] | None,
) -> Iterator[RawRow]:
    """Make a row of each transcript; `telling` is None where the file was not looked at as a whole."""
    name, title = id_and_title(stem)
    titles: Counter[str] = Counter()
    for number, transcript in enumerate(transcripts, 1):
        place = Place(file_name(track.path), number)
        values = {"video_id": f"{name}-{number}", "title": f"{title} {number}"} | transcript.details
        numbered: tuple[RowProblem, ...] = ()
        if "video_id" not in transcript.details and "title" in transcript.details:
            mark = blake2b(clean_text(values["title"]).encode(), digest_size=4).hexdigest()
            titles[mark] += 1
            again = f"-{titles[mark]}" if titles[mark] > 1 else ""
            values["video_id"] = f"{name}-{mark}{again}"
        elif "video_id" not in transcript.details:
            numbered = (
                RowProblem(
                    place, clean_text(values["video_id"]), "video_id", "numbered-id", _NUMBERED, "note"
                ),
            )
        told = _damage_of(transcript) if telling is None else telling
        row = _row_of(place, values, track, transcript, told)
        yield row if row.values is None else RawRow(place, row.values, (*numbered, *row.problems))


def _damage_of(transcript: Transcript) -> tuple[Telling, ...]:
    if not any("\N{REPLACEMENT CHARACTER}" in cue["text"] for cue in transcript.cues):
        return ()
    return (("damaged-text", "has damaged characters, shown as U+FFFD; save the file as UTF-8", "warning"),)


def _row_of(
    place: Place,
    values: Mapping[str, Any],
    track: CaptionTrack,
    transcript: Transcript,
    telling: tuple[Telling, ...],
) -> RawRow:
    if not transcript.cues and (transcript.skipped or "title" not in transcript.details):
        problem: Telling = ("no-cues", _why_no_cues(transcript), "rejected")
        return RawRow(place, None, (tell(place, values["video_id"], problem),))
    return captioned_row(place, values, track, transcript, telling)


def _why_no_cues(transcript: Transcript) -> str:
    if transcript.skipped:
        return f"none of its {len(transcript.skipped):,} items has a text and its times; check the file"
    return "has no item with a text and its times; check the file"


def read_track(track: CaptionTrack) -> tuple[Transcript, tuple[Telling, ...]]:
    """Read a file that is to hold the captions of one video.

    Raises CaptionFileError where it does not.
    """
    transcripts, telling = read_transcripts(track.path)
    if len(transcripts) > 1:
        what = f"holds {len(transcripts):,} transcripts; one video's is needed, give each a file of its own"
        raise CaptionFileError("several-transcripts", what)
    if not transcripts[0].cues:
        raise CaptionFileError("no-cues", _why_no_cues(transcripts[0]))
    return transcripts[0], telling


def captioned_row(
    place: Place,
    values: Mapping[str, Any],
    track: CaptionTrack,
    transcript: Transcript,
    telling: tuple[Telling, ...],
) -> RawRow:
    """Put what a file says beside what is known of its video; `language` is then that of the captions."""
    cues = Place(file_name(track.path))
    problems = [tell(cues, values["video_id"], one) for one in (*telling, *_about(transcript, track.path))]
    said = {
        "language": track.language or transcript.details.get("language") or values.get("language"),
        "caption_kind": track.kind or transcript.details.get("caption_kind"),
    }
    if transcript.cues:
        said["cues"] = transcript.cues
    known = {column: value for column, value in values.items() if not is_absent(value)}
    return RawRow(place, known | {key: value for key, value in said.items() if value}, tuple(problems))


def _about(transcript: Transcript, path: Path) -> Iterator[Telling]:
    if transcript.skipped:
        unit = "item" if path.suffix.lower().startswith(".json") else "line"
        more = f" (and {len(transcript.skipped) - 1:,} more)" if len(transcript.skipped) > 1 else ""
        where = f"{unit} {transcript.skipped[0]:,}{more}"
        severity: Severity = "warning"
        message = f"left out the text at {where}: it has no readable times; correct them"
        yield "captions-skipped", message, severity
    if transcript.shift:
        message = f"its X-TIMESTAMP-MAP counts from {transcript.shift:,.3f} s, which was taken off its times"
        yield "times-shifted", message, "note"
