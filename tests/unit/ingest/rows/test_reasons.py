import re
from pathlib import Path

import pytest

import ingest
from ingest.rows import reasons
from ingest.rows.reasons import REASONS, counted_reason

CODE = re.compile(
    r"\b(?:CaptionFileError|FileProblem|FieldError|warn)\(\s*\"([a-z-]+)\""
    r"|\b(?:rejected_row|RowProblem)\([^\"]*(?:\"video_id\", )?\"([a-z]+-[a-z-]+)\""
    r"|_read_list\(value, \"([a-z-]+)\""
)


def test_every_code_has_a_wording_and_every_wording_a_code() -> None:
    sources = Path(ingest.__file__).parent.rglob("*.py")
    found = {code for path in sources for match in CODE.findall(path.read_text()) for code in match if code}
    named = {value for value in vars(reasons).values() if isinstance(value, str) and value in REASONS}
    assert len(found) > 20
    assert found | named == REASONS.keys()


@pytest.mark.parametrize(
    ("number", "code", "field", "text"),
    [
        (1, "duplicate-id", "video_id", "1 repeated id"),
        (1200, "duplicate-id", None, "1,200 repeated ids"),
        (2, "missing", "title", "2 without a title"),
        (1, "missing", "video_id", "1 without an id"),
        (1, "missing", None, "1 without a required value"),
        (3, "of-a-newer-kind", None, "3 of a newer kind"),
    ],
)
def test_a_reason_is_counted_in_words(number: int, code: str, field: str | None, text: str) -> None:
    assert counted_reason(number, code, field) == text
