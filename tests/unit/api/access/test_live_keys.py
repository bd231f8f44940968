import asyncio
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access import live_keys
from api.access.key_file import write_keys
from api.access.keys import make_key
from api.access.live_keys import LiveKeys
from api.access.settings import AccessSettings
from retrieval.declared_setting import SettingsError
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

KEY, STORED = make_key("web", ["search"], datetime.now(UTC))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def following(file: Path | None = None, *, exposed: tuple[str, ...] = (), **more: object) -> LiveKeys:
    return LiveKeys(AccessSettings(keys_file=file, **more), exposed=exposed, poll_seconds=0.001)  # type: ignore[arg-type]


def damage(file: Path) -> None:
    file.write_text("{")


def remove(file: Path) -> None:
    file.unlink()


async def test_keys_are_required_until_it_is_known_that_there_are_none(file: Path) -> None:
    keys = following(file)
    assert keys.required
    async with keys.followed():
        assert not keys.required


@pytest.mark.parametrize("in_file", [None, ()])
async def test_if_keys_may_not_be_off_the_service_does_not_start_without_any(
    file: Path, in_file: tuple[()] | None
) -> None:
    if in_file is not None:
        # With a file without keys, every request is refused, which is safe.
        write_keys(file, in_file)
        async with following(file, exposed=("HOST=0.0.0.0",)).followed():
            return
    with pytest.raises(SettingsError, match=r"HOST=0\.0\.0\.0.*keys add NAME.*--open"):
        async with following(file, exposed=("HOST=0.0.0.0",)).followed():
            pass


async def test_adding_and_revoking_keys_takes_effect_soon(file: Path) -> None:
    keys = following(file)
    async with keys.followed():
        write_keys(file, (STORED,))
        await until(lambda: keys.required)
        assert keys.ring.find(KEY.encode()) == STORED
        write_keys(file, ())
        await until(lambda: keys.ring.find(KEY.encode()) is None)
        # Keys stay required after the last one is revoked, and after the file is deleted.
        assert keys.required
        write_keys(file, (STORED,))
        await until(lambda: len(keys.ring))
        remove(file)
        await until(lambda: not len(keys.ring))
        assert keys.required


async def test_a_damaged_file_changes_nothing_and_is_logged_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_keys(file, (STORED,))
    keys = following(file)
    async with keys.followed():
        damage(file)
        await until(lambda: caplog.records)
        await asyncio.sleep(0.05)
        assert keys.ring.find(KEY.encode()) == STORED
    (entry,) = caplog.records
    assert entry.levelno == logging.ERROR
    assert "stay in force" in entry.getMessage()


@pytest.mark.parametrize(
    "error", [SettingsError("no file"), RuntimeError("can't start new thread"), ValueError("unforeseen")]
)
async def test_a_revocation_that_cannot_be_read_at_first_is_applied_later(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    write_keys(file, (STORED,))
    keys = following(file)
    async with keys.followed():
        with monkeypatch.context() as patch:
            tries: list[Path] = []

            def fail(path: Path) -> None:
                assert threading.current_thread() is not threading.main_thread()
                tries.append(path)
                raise error

            patch.setattr(live_keys, "read_keys", fail)
            write_keys(file, ())
            await until(lambda: len(tries) > 3)
            assert keys.ring.find(KEY.encode()) == STORED
        await until(lambda: keys.ring.find(KEY.encode()) is None)
    assert [entry.levelno for entry in caplog.records if entry.levelno > logging.INFO] == [logging.ERROR]


async def test_a_damaged_file_at_the_start_is_an_error(file: Path) -> None:
    damage(file)
    with pytest.raises(SettingsError, match="damaged"):
        async with following(file).followed():
            pass


async def test_the_keys_of_the_environment_and_of_the_file_are_equal(file: Path) -> None:
    other, stored = make_key("other", ["search"], datetime.now(UTC))
    write_keys(file, (STORED,))
    keys = following(file, exposed=("HOST=0.0.0.0",), keys=(stored,))
    async with keys.followed():
        assert keys.ring.find(KEY.encode()) == STORED
        assert keys.ring.find(other.encode()) == stored


async def test_a_name_in_both_places_is_an_error(file: Path) -> None:
    write_keys(file, (STORED,))
    with pytest.raises(SettingsError, match="web"):
        async with following(file, keys=(make_key("web", ["search"], datetime.now(UTC))[1],)).followed():
            pass


async def test_without_a_file_there_is_nothing_to_follow() -> None:
    keys = following()
    async with keys.followed():
        assert not keys.required
