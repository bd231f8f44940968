"""Caption files for tests: where the real ones are, and what made-up ones look like."""

from collections.abc import Sequence
from pathlib import Path

REAL_CAPTIONS = Path(__file__).resolve().parents[2] / "../shared/data/captions"
_STEP = 3.0
_FILLER = 0.01


def clock(seconds: float, mark: str = ".") -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def subtitle(text: str, *, language: str = "") -> str:
    """Write a file with one cue; it states its language if one is given."""
    header = f"\nLanguage: {language}" if language else ""
    return f"WEBVTT{header}\n\n00:01.000 --> 00:02.000\n{text}\n"


def rolling_vtt(lines: Sequence[str]) -> str:
    """Write lines as YouTube's automatic captions do: each once with word times and twice without."""
    blocks = ["WEBVTT\nKind: captions\nLanguage: en\n"]
    shown = " "
    for number, line in enumerate(lines):
        start, end = number * _STEP, (number + 1) * _STEP - _FILLER
        first, *others = line.split()
        timed = first + "".join(
            f"<{clock(start + 0.1 * place)}><c> {word}</c>" for place, word in enumerate(others, 1)
        )
        settings = "align:start position:0%"
        blocks.append(f"{clock(start)} --> {clock(end)} {settings}\n{shown}\n{timed}\n")
        blocks.append(f"{clock(end)} --> {clock(end + _FILLER)} {settings}\n{line}\n \n")
        shown = line
    return "\n".join(blocks)


def rolling_srt(lines: Sequence[str]) -> str:
    """Write lines as those captions are once converted to SubRip: without word times."""
    blocks = []
    shown: list[str] = []
    for number, line in enumerate(lines):
        start, end = number * _STEP, (number + 1) * _STEP - _FILLER
        for since, until, text in ((start, end, [*shown, line]), (end, end + _FILLER, [line])):
            words = "\n".join(text)
            blocks.append(f"{len(blocks) + 1}\n{clock(since, ',')} --> {clock(until, ',')}\n{words}\n")
        shown = [line]
    return "\n".join(blocks)


def timed_text(lines: Sequence[str]) -> str:
    """Write lines as YouTube does in TTML; the lines are XML already."""
    shown = "\n".join(
        f'<p begin="{clock(2 * number)}" end="{clock(2 * number + 4.1)}" style="s2">{line}<br />and so on</p>'
        for number, line in enumerate(lines)
    )
    return (
        '<?xml version="1.0" encoding="utf-8" ?>\n<tt xml:lang="en" xmlns="http://www.w3.org/ns/ttml" '
        'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25">\n'
        f'<body begin="0s"><div>\n{shown}\n<p><span begin="9f" dur="10t">end</span></p></div></body></tt>\n'
    )
