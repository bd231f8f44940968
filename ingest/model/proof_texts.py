"""The texts for the comparison of an exported graph with its model."""

import json
from pathlib import Path

SAMPLE_CATALOGUE = Path(__file__).parents[1] / "sample" / "catalogue.jsonl"
"""The catalogue in the package."""

_LONGEST = 600
_COUNT = 256


def proof_texts() -> list[str]:
    """Return 256 texts of 1 to 600 words from the sample catalogue.

    Lengths grow geometrically, so that as many texts have 1 to 5 words, like queries, as have 120 to 600,
    where the model starts to truncate.
    """
    lines = SAMPLE_CATALOGUE.read_text(encoding="utf-8").splitlines()
    words = [word for line in lines for word in _words_of(line)]
    lengths = [round(_LONGEST ** (i / (_COUNT - 1))) for i in range(_COUNT)]
    starts = [(i * len(words)) // _COUNT % (len(words) - _LONGEST) for i in range(_COUNT)]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def _words_of(line: str) -> list[str]:
    return [word for cue in json.loads(line)["cues"] for word in cue["text"].split()]
