"""Rows from one caption file, which is parsed by its suffix or else by its content."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ingest.rows.fields import REVERSED_CUE, clean_text, first_of, is_absent
from ingest.rows.row import Place, RawRow, RowProblem, file_name
from ingest.sources.captions import decoding
from ingest.sources.captions.choice import CaptionTrack
from ingest.sources.captions.decoding import CaptionFileError, FileProblem, read_caption_text
from ingest.sources.captions.json_dumps import is_large_dump, read_dump
from ingest.sources.captions.json_transcripts import parse_json_transcripts
from ingest.sources.captions.names import id_and_title
from ingest.sources.captions.subtitles import Transcript, parse_subtitles
from ingest.sources.captions.ttml import looks_like_ttml, parse_ttml
from retrieval.catalogue.video import Cue

_TTML_SUFFIXES: Final = frozenset({".ttml", ".dfxp"})
_NO_CUES: Final = "contains no line with times and text; check the file"
_NUMBERED: Final = (
    "is missing, and so is a title, so the position in the file is used as the id, which changes if entries "
    "are added before it; give each entry a video_id"
)


def read_transcripts(path: Path) -> tuple[list[Transcript], tuple[FileProblem, ...]]:
    """Return the transcripts in a file, and the problems of the file as a whole.

    Raises CaptionFileError for a file without a transcript.
    """
    text, problems = read_caption_text(path)
    suffix = path.suffix.lower()
    if suffix.startswith(".json") or text.lstrip("\ufeff \t\r\n").startswith(("{", "[{")):
        try:
            return parse_json_transcripts(text), problems
        except CaptionFileError:
            # The text of a subtitle file may begin with a bracket.
            if suffix.startswith(".json"):
                raise
    if suffix in _TTML_SUFFIXES or looks_like_ttml(text):
        transcript = parse_ttml(text)
    else:
        transcript = parse_subtitles(text, commas=suffix == ".sbv")
        if not transcript.cues:
            transcript = parse_subtitles(text, commas=suffix != ".sbv")
    if not transcript.cues:
        raise CaptionFileError("no-cues", _NO_CUES)
    return [transcript], problems


def cues_problem(place: Place, video_id: str | None, problem: FileProblem) -> RowProblem:
    """Return a problem of a video's captions as a problem of its row."""
    return RowProblem(place, clean_text(video_id) if video_id else None, "cues", *problem)


def rows_of_file(track: CaptionTrack, stem: str) -> Iterator[RawRow]:
    """Read a caption file that no list or info file describes; id and title come from the file or its name.

    A dump gives a row for each of its transcripts. The id of an entry without one is derived from its title,
    so that it stays the same when other entries are added or removed. Entries without a title are numbered.
    """
    place = Place(file_name(track.path))
    video_id, title = id_and_title(stem)
    try:
        if dump := _large_dump(track.path):
            yield from _rows_of_dump(track, stem, dump, None)
            return
        transcripts, problems = read_transcripts(track.path)
        if len(transcripts) > 1:
            yield from _rows_of_dump(track, stem, transcripts, problems)
            return
    except OSError as error:
        problem = FileProblem("unreadable", f"cannot be read ({error.strerror}); check the file", "rejected")
        yield RawRow(place, None, (cues_problem(place, video_id, problem),))
    except CaptionFileError as error:
        problem = FileProblem(error.code, str(error), "rejected")
        yield RawRow(place, None, (cues_problem(place, video_id, problem),))
    else:
        values = {"video_id": video_id, "title": title} | transcripts[0].details
        yield _row_of(place, values, track, transcripts[0], problems)


def _large_dump(path: Path) -> Iterator[Transcript] | None:
    """Open a file that is a large dump; None for any other file, which can be read at once.

    Raises CaptionFileError if the file is too large to be read at once, OSError if it cannot be read.
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
    problems: tuple[FileProblem, ...] | None,
) -> Iterator[RawRow]:
    """Yield a row for each transcript; `problems` is None if the file was not read as a whole."""
    name, title = id_and_title(stem)
    titles: Counter[str] = Counter()
    for number, transcript in enumerate(transcripts, 1):
        place = Place(file_name(track.path), number)
        values = {"video_id": f"{name}-{number}", "title": f"{title} {number}"} | transcript.details
        numbered: tuple[RowProblem, ...] = ()
        if "video_id" not in transcript.details and "title" in transcript.details:
            digest = blake2b(clean_text(values["title"]).encode(), digest_size=4).hexdigest()
            titles[digest] += 1
            suffix = f"-{titles[digest]}" if titles[digest] > 1 else ""
            values["video_id"] = f"{name}-{digest}{suffix}"
        elif "video_id" not in transcript.details:
            video_id = clean_text(values["video_id"])
            numbered = (RowProblem(place, video_id, "video_id", "numbered-id", _NUMBERED, "note"),)
        own = _damage_of(transcript) if problems is None else problems
        row = _row_of(place, values, track, transcript, own)
        yield row if row.values is None else RawRow(place, row.values, (*numbered, *row.problems), row.cues)


def _damage_of(transcript: Transcript) -> tuple[FileProblem, ...]:
    if not any("\N{REPLACEMENT CHARACTER}" in cue.text for cue in transcript.cues):
        return ()
    message = "contains invalid characters, replaced by U+FFFD; save the file as UTF-8"
    return (FileProblem("damaged-text", message, "warning"),)


def _row_of(
    place: Place,
    values: Mapping[str, Any],
    track: CaptionTrack,
    transcript: Transcript,
    problems: tuple[FileProblem, ...],
) -> RawRow:
    if not transcript.cues and (transcript.skipped or "title" not in transcript.details):
        problem = FileProblem("no-cues", _why_no_cues(transcript), "rejected")
        return RawRow(place, None, (cues_problem(place, values["video_id"], problem),))
    return captioned_row(place, values, track, transcript, problems)


def _why_no_cues(transcript: Transcript) -> str:
    if transcript.skipped:
        return f"none of its {len(transcript.skipped):,} items has text and times; check the file"
    return "contains no item with text and times; check the file"


def read_track(track: CaptionTrack) -> tuple[Transcript, tuple[FileProblem, ...]]:
    """Read the captions of one video from a file, and the file's problems.

    Raises CaptionFileError if the file does not contain exactly one transcript with cues.
    """
    transcripts, problems = read_transcripts(track.path)
    if len(transcripts) > 1:
        message = f"contains {len(transcripts):,} transcripts instead of one; write each to its own file"
        raise CaptionFileError("several-transcripts", message)
    if not transcripts[0].cues:
        raise CaptionFileError("no-cues", _why_no_cues(transcripts[0]))
    return transcripts[0], problems


def captioned_row(
    place: Place,
    values: Mapping[str, Any],
    track: CaptionTrack,
    transcript: Transcript,
    problems: tuple[FileProblem, ...],
) -> RawRow:
    """Combine the captions of a file with what is known of its video; `language` is that of the captions."""
    cues, reversed_ = _forward(transcript.cues)
    all_problems = (*problems, *_problems_of(transcript, track.path, reversed_))
    file = Place(file_name(track.path))
    found = {
        "language": track.language or transcript.details.get("language") or values.get("language"),
        "caption_kind": track.kind or transcript.details.get("caption_kind"),
    }
    known = {column: value for column, value in values.items() if not is_absent(value)}
    return RawRow(
        place,
        known | {column: value for column, value in found.items() if value},
        tuple(cues_problem(file, values["video_id"], problem) for problem in all_problems),
        cues,
    )


def _forward(cues: Sequence[Cue]) -> tuple[tuple[Cue, ...], list[int]]:
    """Return the cues, none of which ends before it starts, and the numbers of those that were changed."""
    reversed_ = [number for number, cue in enumerate(cues, 1) if cue.end < cue.start]
    return tuple(Cue(cue.start, max(cue.start, cue.end), cue.text) for cue in cues), reversed_


def _problems_of(transcript: Transcript, path: Path, reversed_: list[int]) -> Iterator[FileProblem]:
    if transcript.skipped:
        unit = "item" if path.suffix.lower().startswith(".json") else "line"
        where = f"{unit} {first_of(transcript.skipped)}"
        message = f"left out the text at {where}: it has no readable times; correct them"
        yield FileProblem("captions-skipped", message, "warning")
    if transcript.shift:
        message = (
            f"its X-TIMESTAMP-MAP starts at {transcript.shift:,.3f} s, which was subtracted from its times"
        )
        yield FileProblem("times-shifted", message, "note")
    if reversed_:
        yield FileProblem("cue-times", f"cue {first_of(reversed_)}: {REVERSED_CUE}", "warning")
