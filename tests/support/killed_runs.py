"""Kills one sync after another while a service searches their index, and checks the result.

Everything is held against one run that nothing stopped. Both kept their embeddings, so ids, payloads and
vectors must be the same to the last bit (docs/decisions/0007-kept-embeddings.md); the distances of answers
need not, since they depend on which queries are embedded together.
"""

import itertools
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from retrieval.catalogue.manifest import Manifest, Peak
from retrieval.edge.generations import Generations
from tests.support.contents import Contents, assert_same_bits, contents_of, left_over
from tests.support.folders import passing_folder
from tests.support.kept import kept
from tests.support.killing import Lengths, Moment, Phase, WatchedSync, moments
from tests.support.processes import Api, Ingest, copied, eventually, running_api
from tests.support.searching import PATHS, Answer, Clients, Question, Served, ask_all, givers, searching

SEED = 69
"""With this seed, the first kills fall into different phases."""

_NO_TIME = datetime.min.replace(tzinfo=UTC)
KILLS_OF_ONE_INDEX = 4
SURELY_RESUMED = 12
"""With at least this many kills, some fall after an embedding was cached, also on a slow machine."""

Kept = dict[bytes, tuple[int, bytes]]


class Undisturbed(msgspec.Struct, frozen=True):
    """A run that completed: the length of its phases, its index, and the answers from that index."""

    arguments: Sequence[str | Path]
    queries: Sequence[str]
    model_dir: Path
    lengths: Lengths
    after: Contents
    answers: Mapping[Question, Answer]
    kept: Kept


class Figures:
    """The figures of the killed runs; pytest prints them if a test fails."""

    def __init__(self) -> None:
        self._fell: Counter[Phase] = Counter()
        self._answers: Counter[int] = Counter()
        self.kills = 0
        self.resumed = self.resumed_in_part = 0
        tell(f"seed {SEED}")

    def killed(self, moment: Moment, phase: Phase, age: float, *, by_us: bool) -> None:
        tell(f"aimed at {moment}, {age:.3f} s old: {phase.name if by_us else 'it had ended'}")
        self.kills += by_us
        self._fell[phase] += by_us

    def goes_on(self, kept: int, of: int) -> None:
        self.resumed += kept > 0
        self.resumed_in_part += 0 < kept < of

    def answered(self, statuses: Counter[int]) -> None:
        self._answers += statuses

    def __str__(self) -> str:
        fell = ", ".join(f"{phase.name} {self._fell[phase]}" for phase in Phase)
        answers = ", ".join(f"{count} with {status}" for status, count in sorted(self._answers.items()))
        return (
            f"{self.kills} kills: {fell}; {self.resumed} runs found embeddings of one before them, "
            f"{self.resumed_in_part} a part of all; "
            f"{self._answers.total()} searches: {answers}"
        )


class Scene:
    """One index with its service and clients, and the completed run that they are compared to."""

    def __init__(
        self, undisturbed: Undisturbed, ingest: Ingest, api: Api, clients: Clients, old: Served
    ) -> None:
        self.ingest = ingest
        self._undisturbed = undisturbed
        self._api = api
        self._clients = clients
        self._old = old
        self._start = live_contents(ingest.index_dir)
        self._kept: Kept = {}
        self._givers: dict[str, list[int]] = {path: [] for path in PATHS}

    @property
    def kept(self) -> int:
        """The number of cached embeddings that the next run can use."""
        return len(self._kept)

    def check(self, figures: Figures) -> bool:
        """Check that the live version is the complete old or new one; return whether it is the new one."""
        found = live_contents(self.ingest.index_dir)
        is_new = found is not None and found.version != self._old.version
        expected = self._undisturbed.after if is_new else self._start
        assert (found is None) is (expected is None)
        if found and expected:
            assert_same_bits(found, expected)
            assert what_stays(found) == what_stays(expected)
        self._check_answers(figures, [found.version] if found and is_new else [])
        self._check_kept()
        return is_new

    def check_end(self, figures: Figures) -> None:
        """Check the new version, that the service answers from it, and that no other files are left."""
        assert self.check(figures)
        pointer = Generations(self.ingest.index_dir).pointer()
        assert pointer is not None
        assert pointer.previous == self._old.version
        assert left_over(self.ingest.index_dir) == []
        new = Served(pointer.live, self._undisturbed.answers)
        eventually(lambda: self._is_served(new))
        # Each cached embedding has the next number: none was embedded twice, and the order is the same.
        assert self._kept == self._undisturbed.kept

    def _is_served(self, version: Served) -> bool | None:
        answers = ask_all(self._api.address, self._undisturbed.queries)
        return all(version.gave(question, answer) for question, answer in answers.items()) or None

    def _check_answers(self, figures: Figures, new: Sequence[str]) -> None:
        served = [self._old, *(Served(version, self._undisturbed.answers) for version in new)]
        for path, heard in self._clients.take().items():
            self._givers[path] += givers(heard, served)
            # The old version gives no further answer.
            assert self._givers[path] == sorted(self._givers[path])
            figures.answered(Counter(answer.status for _, answer in heard))

    def _check_kept(self) -> None:
        """Check that no cached embedding is lost or was computed again."""
        found = kept_of_dead(self.ingest)
        assert self._kept.items() <= found.items()
        self._kept = found


def undisturbed_run(
    start: Path | None, arguments: Sequence[str | Path], queries: Sequence[str], folder: Path, model_dir: Path
) -> Undisturbed:
    """Complete a run while clients search a service, as they do while other runs are killed."""
    ingest = on_copy(start, folder, model_dir)
    with service(ingest) as api:
        with searching(api.address, queries) as clients, WatchedSync(ingest, *arguments) as sync:
            sync.ended()
        assert all(clients.take().values())
        after = contents_of(ingest.index_dir)
        eventually(lambda: api.get("/info").json()["index_version"] == after.version or None)
        answers = ask_all(api.address, queries)
    assert {answer.status for answer in answers.values()} == {200}
    return Undisturbed(
        arguments, queries, ingest.model_dir, sync.lengths(), after, answers, kept_of_dead(ingest)
    )


def kill_runs(undisturbed: Undisturbed, starts: Sequence[Path | None], kills: int) -> None:
    """Kill this many runs, on copies of each start in turn; None starts with no index."""
    chance = random.Random(SEED)
    figures = Figures()
    at_a_time = min(KILLS_OF_ONE_INDEX, math.ceil(kills / len(starts)))
    for start in itertools.cycle(starts):
        if figures.kills == kills:
            break
        with passing_folder() as folder:
            ingest = on_copy(start, folder, undisturbed.model_dir)
            kill_on_one_index(
                undisturbed, ingest, moments(chance, at_a_time)[: kills - figures.kills], figures
            )
    tell(str(figures))
    assert figures.resumed or kills < SURELY_RESUMED


def kill_on_one_index(
    undisturbed: Undisturbed, ingest: Ingest, at: Sequence[Moment], figures: Figures
) -> None:
    """Kill a run at each of these moments unless it completes first, and complete the last run."""
    with service(ingest) as api:
        old = live_contents(ingest.index_dir)
        before = Served(old.version if old else None, ask_all(api.address, undisturbed.queries))
        for question, answer in before.answers.items():
            assert answer.status == 200 if old else answer.said["code"] == "index-unavailable"
            assert not answer.says(undisturbed.answers[question])
        with searching(api.address, undisturbed.queries) as clients:
            scene = Scene(undisturbed, ingest, api, clients, before)
            for moment in at:
                figures.goes_on(scene.kept, len(undisturbed.kept))
                with WatchedSync(ingest, *undisturbed.arguments) as sync:
                    by_us, age = sync.killed_at(moment, undisturbed.lengths)
                figures.killed(moment, sync.phase, age, by_us=by_us)
                if scene.check(figures):
                    break
            with WatchedSync(ingest, *undisturbed.arguments) as sync:
                said = sync.ended()
            found = 0 if "Nothing to do" in said else scene.kept
            assert ("embedded by an earlier run" in said) is (found > 0), said
            figures.goes_on(found, len(undisturbed.kept))
            scene.check_end(figures)
        scene.check(figures)


@contextmanager
def service(ingest: Ingest) -> Iterator[Api]:
    """Serve an index inside the block, and check at its end that the log has no error."""
    with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:
        yield api
        assert api.stop() == 0
        log = api.log.read_text(encoding="utf-8")
        assert "ERROR" not in log, log


def on_copy(start: Path | None, folder: Path, model_dir: Path) -> Ingest:
    """Return a command line with an embeddings cache, on a copy of an index or on none."""
    index_dir = copied(start, folder / "index") if start else folder / "index"
    return Ingest(index_dir, model_dir.resolve(), folder / "embeddings")


def live_contents(index_dir: Path) -> Contents | None:
    """Read the live version, if there is one."""
    return contents_of(index_dir) if Generations(index_dir).pointer() else None


def what_stays(contents: Contents) -> Manifest:
    """Return the manifest without the fields that differ between runs."""
    return msgspec.structs.replace(
        contents.manifest,
        index_version="",
        built_at=_NO_TIME,
        peaks={name: Peak(peak.value, _NO_TIME) for name, peak in contents.manifest.peaks.items()},
    )


def kept_of_dead(ingest: Ingest) -> Kept:
    """Read the embeddings cache of a run that has ended, in a copy: the next run replays its journal."""
    assert ingest.embeddings_dir
    if not ingest.embeddings_dir.exists():
        return {}
    with passing_folder() as folder:
        return kept(copied(ingest.embeddings_dir, folder / "copy"))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
