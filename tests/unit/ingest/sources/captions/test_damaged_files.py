"""A small part of `python -m tests.fuzz.caption_files`."""

from pathlib import Path

import pytest

from tests.support.mutations import NAMES, mutated_files, write_mutated
from tests.support.reading import read_source


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused_with_its_name(name: str, tmp_path: Path) -> None:
    for content in mutated_files(name, 45, seed=1):
        read_source(write_mutated(tmp_path, name, content))
