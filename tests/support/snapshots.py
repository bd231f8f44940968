"""Snapshots that a test takes apart, changes and puts together again with every checksum right."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

SUMS = "SHA256SUMS"
FIRST = "vidsearch-snapshot.json"

Members = dict[str, bytes]


def members_of(path: Path) -> Members:
    """Unpack as any tar does."""
    with tarfile.open(path) as archive:
        return {member.name: content.read() for member in archive if (content := archive.extractfile(member))}


def write_snapshot(
    path: Path, members: Mapping[str, bytes], head: Callable[[tarfile.TarInfo], object] = lambda _: None
) -> Path:
    """Pack members into a snapshot whose checksums hold; `head` may change how each is described."""
    packed = io.BytesIO()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in members.items())
    for name, content in [*members.items(), *([] if SUMS in members else [(SUMS, sums.encode())])]:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        head(member)
        packed.write(member.tobuf(tarfile.GNU_FORMAT))
        packed.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
    packed.write(bytes(2 * tarfile.BLOCKSIZE))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    path.write_bytes(packed.getvalue() + f"sha256 {digest}\n".encode())
    return path


def remade(path: Path, to: Path, change: Callable[[Members], object]) -> Path:
    """Write another snapshot with these members changed."""
    members = members_of(path)
    members.pop(SUMS)
    change(members)
    return write_snapshot(to, members)


def starts_of(content: bytes) -> dict[str, tuple[int, int]]:
    """Say where each member's header begins and its content ends."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: (member.offset, member.offset_data + member.size) for member in archive}
