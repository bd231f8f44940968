"""The texts on which an exported graph is compared with the model it came from."""

import json
from pathlib import Path

SAMPLE_CATALOGUE = Path(__file__).parents[1] / "sample" / "catalogue.jsonl"
"""The catalogue that ships with the product."""

_LONGEST = 600
_HOW_MANY = 256


def proof_texts() -> list[str]:
    """Cut 256 texts of 1 to 600 words from the sample catalogue: real words, every length class.

    Lengths grow geometrically, so that there are as many of 1 to 5 words, where queries are, as of 120 to
    600, where the model starts to cut.
    """
    lines = SAMPLE_CATALOGUE.read_text(encoding="utf-8").splitlines()
    words = [word for line in lines for word in _words_of(line)]
    lengths = [round(_LONGEST ** (i / (_HOW_MANY - 1))) for i in range(_HOW_MANY)]
    starts = [(i * len(words)) // _HOW_MANY % (len(words) - _LONGEST) for i in range(_HOW_MANY)]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def _words_of(line: str) -> list[str]:
    return [word for cue in json.loads(line)["cues"] for word in cue["text"].split()]
