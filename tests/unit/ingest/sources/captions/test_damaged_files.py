"""A small slice of `python -m tests.fuzz.caption_files`."""

from pathlib import Path

import pytest

from tests.support.mutations import NAMES, mutated_files, write_mutated
from tests.support.processor_time import bounded
from tests.support.reading import read_source


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused_by_name(name: str, tmp_path: Path) -> None:
    for content in mutated_files(name, 45, seed=1):
        source = write_mutated(tmp_path, name, content)
        with bounded(2):
            read_source(source)
