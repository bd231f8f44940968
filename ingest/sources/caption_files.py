"""One caption file: read as what its name says it is, else as what it turns out to be, and made into rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.fields import clean_text, is_absent
from ingest.rows import Place, RawRow, RowProblem, Severity, file_name
from ingest.sources.caption_choice import CaptionTrack
from ingest.sources.caption_names import id_and_title
from ingest.sources.decoding import CaptionFileError, Telling, read_caption_text
from ingest.sources.json_transcripts import parse_json_transcripts
from ingest.sources.subtitles import Transcript, parse_subtitles

_NO_CUES = "has no line with times that a text follows; check the file"


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

    A dump gives a row for each of its transcripts; those without an id of their own are numbered.
    """
    place = Place(file_name(track.path))
    video_id, title = id_and_title(stem)
    try:
        transcripts, telling = read_transcripts(track.path)
    except CaptionFileError as error:
        yield RawRow(place, None, (tell(place, video_id, (error.code, str(error), "rejected")),))
        return
    for number, transcript in enumerate(transcripts, 1):
        values = {"video_id": video_id, "title": title}
        if len(transcripts) > 1:
            place = Place(file_name(track.path), number)
            values = {"video_id": f"{video_id}-{number}", "title": f"{title} {number}"}
        values |= transcript.details
        if not transcript.cues and (transcript.skipped or "title" not in transcript.details):
            problem: Telling = ("no-cues", _why_no_cues(transcript), "rejected")
            yield RawRow(place, None, (tell(place, values["video_id"], problem),))
            continue
        yield captioned_row(place, values, track, transcript, telling)


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
    """Put what a file says beside what is known of its video; `language` is then that of the captions.

    `caption_kind` is no column of the catalogue's yet: the row's check passes it over.
    """
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
