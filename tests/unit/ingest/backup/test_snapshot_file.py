"""The file itself: any tar program reads it, any flipped bit is detected, and no content is dangerous."""

import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ingest.backup.snapshot_file import (
    ENGINE,
    FORMAT,
    LARGEST_MEMBER,
    VIDEOS,
    SnapshotWriter,
    opened_snapshot,
    snapshot_of,
)
from ingest.errors import IngestError, SourceError
from tests.support.embedded_videos import manifest_of
from tests.support.snapshots import FIRST, SUMS, Members, members_of, remade, starts_of, write_snapshot

SNAPSHOT = snapshot_of(manifest_of([], canaries=("猫",)), "an engine 1.2")
CONTENTS = {VIDEOS: [b"one" * 100, b"", b"two" * 20_000], ENGINE: [b"\0" * 1000]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "talks.tar"
    with path.open("wb") as file:
        writer = SnapshotWriter(file, SNAPSHOT)
        for kind, contents in CONTENTS.items():
            for content in contents:
                writer.add(kind, content)
        writer.finish()
    return path


def read(path: Path) -> tuple[object, dict[str, list[bytes]]]:
    with opened_snapshot(path) as snapshot:
        return snapshot.snapshot, {kind: list(snapshot.members(kind)) for kind in CONTENTS}


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as refused:
        read(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    return message


def test_a_written_snapshot_is_read_again(path: Path) -> None:
    assert read(path) == (SNAPSHOT, CONTENTS)


def test_any_tar_unpacks_it_and_sha256sum_checks_it(path: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    for command in (["tar", "xf", str(path)], ["sha256sum", "--check", "--strict", "--quiet", SUMS]):
        done = subprocess.run(command, cwd=unpacked, check=True, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("", "")
    assert msgspec.json.decode((unpacked / FIRST).read_bytes())["manifest"]["canaries"] == ["猫"]
    assert len(list(unpacked.glob("*/*.msgpack"))) == 4


def test_a_flipped_bit_is_detected_anywhere(path: Path) -> None:
    """In every header, at both ends of every member, in the padding, in the end, and in the last line."""
    whole = path.read_bytes()
    chance = random.Random(8)
    places = {n for start, end in starts_of(whole).values() for n in (*range(start, start + 512), end - 1)}
    places |= {*range(len(whole) - 600, len(whole)), *chance.sample(range(len(whole)), 500)}
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        message = refusal(path)
        assert ("is not a snapshot" if place <= len(FIRST) else "is damaged or truncated") in message
    assert len(places) > 3000


def test_a_truncated_or_longer_file_is_detected(path: Path) -> None:
    whole = path.read_bytes()
    for length in (*range(0, 600, 7), *range(600, len(whole), 997), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert ("is damaged or truncated" if length > len(FIRST) else "is not a snapshot") in refusal(path)
    for more in (b"\n", b"\0" * 512, whole):
        path.write_bytes(whole + more)
        assert "is damaged or truncated" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"PAR1", b"{}", os.urandom(5000)])
def test_another_file_is_not_a_snapshot(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is not a snapshot written by ingest snapshot" in refusal(path)


def test_a_folder_or_nothing_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refusal(tmp_path)
    assert "cannot be read: No such file" in refusal(tmp_path / "absent")


def test_a_newer_format_is_reported_before_anything_else_is_read(path: Path, tmp_path: Path) -> None:
    def make_newer(members: Members) -> None:
        members[FIRST] = msgspec.json.encode({"format": FORMAT + 1, "manifest": "of another kind"})

    newer = remade(path, tmp_path / "newer.tar", make_newer)
    assert f"is a snapshot of format {FORMAT + 1}, but this program reads format {FORMAT}" in refusal(newer)


def linked(member: tarfile.TarInfo) -> None:
    if member.name.startswith(ENGINE):
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"


def of_wrong_size(size: int) -> Callable[[tarfile.TarInfo], None]:
    def described(member: tarfile.TarInfo) -> None:
        if member.name.startswith(ENGINE):
            member.size = size

    return described


def renamed(name: str) -> Callable[[tarfile.TarInfo], None]:
    def described(member: tarfile.TarInfo) -> None:
        if member.name.startswith(ENGINE):
            member.name = name

    return described


@pytest.mark.parametrize(
    "head",
    [
        linked,
        lambda member: setattr(member, "type", tarfile.GNUTYPE_SPARSE),
        *map(of_wrong_size, (LARGEST_MEMBER + 1, 1 << 60, -512)),
        *map(renamed, ("../../outside", "/outside", "engine/../../outside", "engine/1.msgpack", "CURRENT")),
    ],
)
def test_a_crafted_file_with_valid_checksums_is_harmless(
    path: Path, tmp_path: Path, head: Callable[[tarfile.TarInfo], object]
) -> None:
    members = members_of(path)
    del members[SUMS]
    crafted = write_snapshot(tmp_path / "crafted.tar", members, head)
    assert "was not written by ingest snapshot" in refusal(crafted)
    assert {p.name for p in tmp_path.iterdir()} == {"talks.tar", "crafted.tar"}


@pytest.mark.parametrize("size", [512, LARGEST_MEMBER])
def test_a_member_longer_than_the_file_is_refused(path: Path, tmp_path: Path, size: int) -> None:
    members = members_of(path)
    del members[SUMS]
    assert "was not written by" in refusal(
        write_snapshot(tmp_path / "crafted.tar", members, of_wrong_size(size))
    )


def test_a_member_that_does_not_match_its_checksum_is_refused(path: Path, tmp_path: Path) -> None:
    members = members_of(path)  # Including the checksums, which stay unchanged.
    members["videos/00000000.msgpack"] = b"other"
    assert "videos/00000000.msgpack does not match SHA256SUMS" in refusal(
        write_snapshot(tmp_path / "crafted.tar", members)
    )


def test_a_change_while_the_file_is_read_is_detected(path: Path) -> None:
    with opened_snapshot(path) as snapshot:
        start, end = starts_of(path.read_bytes())["videos/00000002.msgpack"]
        members = snapshot.members(VIDEOS)
        assert next(members) == CONTENTS[VIDEOS][0]
        with path.open("r+b") as file:
            file.seek((start + 512 + end) // 2)
            file.write(b"!")
        with pytest.raises(SourceError, match="changed while it was read"):
            list(members)


def test_a_member_that_is_too_large_is_not_written(path: Path) -> None:
    with path.open("wb") as file, pytest.raises(IngestError, match="too large for a snapshot"):
        SnapshotWriter(file, SNAPSHOT).add(VIDEOS, bytes(LARGEST_MEMBER + 1))
