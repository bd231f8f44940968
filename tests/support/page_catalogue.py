"""A small catalogue of hard cases for a page: other scripts, hostile texts, every kind of address."""

from tests.support.hostile import TAGS, mark

_TELESCOPE = "\u05d8\u05dc\u05e1\u05e7\u05d5\u05e4"
_COOLS = "\u05de\u05ea\u05e7\u05e8\u05e8"
HEBREW_TITLE = f"\u05d0\u05d9\u05da \u05de\u05db\u05d5\u05d5\u05e0\u05d9\u05dd {_TELESCOPE} telescope"
HEBREW_TEXT = (
    f"{_TELESCOPE} \u05e6\u05e8\u05d9\u05da \u05dc\u05d4\u05ea\u05e7\u05e8\u05e8. "
    f"telescope {_COOLS} \u05dc\u05d0\u05d8 \u05d1\u05dc\u05d9\u05dc\u05d4."
)
THUMBNAIL = "https://pictures.example/1.jpg"

_SPEECH = "The telescope stands on the lawn. We point the telescope at the moon and wait."


def _cues(text: str, start: float = 61.0) -> list[dict[str, object]]:
    return [{"start": start, "end": start + 9.0, "text": text}]


ROWS: list[dict[str, object]] = [
    {
        "video_id": "hebrew",
        "title": HEBREW_TITLE,
        "cues": _cues(HEBREW_TEXT),
        "channel": "\u05de\u05e6\u05e4\u05d4 \u05db\u05d5\u05db\u05d1\u05d9\u05dd",
        "language": "he",
        "duration": 300,
        "published_at": "2024-05-31",
        "url": "https://youtu.be/dQw4w9WgXcQ",
        "thumbnail_url": THUMBNAIL,
    },
    {
        "video_id": "vimeo",
        "title": "A telescope on Vimeo",
        "cues": _cues(_SPEECH),
        "duration": 7300,
        "url": "https://vimeo.com/76979871",
        "thumbnail_url": "https://pictures.example/2.jpg",
        "language": "en",
    },
    {
        "video_id": "file",
        "title": "A telescope in a file",
        "cues": _cues(_SPEECH, 0.0),
        "duration": 90,
        "url": "https://files.example/talk.mp4",
    },
    {
        "video_id": "podcast",
        "title": "A telescope on the radio",
        "cues": _cues(_SPEECH, 3600.0),
        "url": "https://files.example/talk.mp3",
    },
    {
        "video_id": "page",
        "title": "A telescope on a page",
        "cues": _cues(_SPEECH),
        "url": "https://talks.example/1",
    },
    {"video_id": "nowhere", "title": "A telescope nowhere", "transcript": _SPEECH},
    {"video_id": "silent", "title": "A silent telescope", "url": "https://talks.example/2"},
    *(
        {
            "video_id": f"hostile/{number}?&#%",
            "title": f"telescope {tag.format(mark(number))}",
            "transcript": f"{_SPEECH} {tag.format(mark(number))}",
            "channel": tag.format(mark(number)),
            "language": 'tlh"><b>',
            "url": f"https://talks.example/{number}?\"'><script>",
        }
        for number, tag in enumerate(TAGS)
    ),
    {
        "video_id": "endless",
        "title": f"Endless telescope {'wordwithoutanyblank' * 30}",
        "transcript": f"telescope {'x' * 3000}",
        "channel": "c" * 300,
    },
]
