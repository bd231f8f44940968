"""A SearchObserver that records its calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.search.observer import SearchKind, Stage


class KeepingObserver:
    """Keeps the stages that ended, in order, the lookups, the numbers of videos, how many were degraded."""

    def __init__(self) -> None:
        self.ended: list[Stage] = []
        self.failed: list[Stage] = []
        self.hits: list[bool] = []
        self.counts: list[tuple[SearchKind, int]] = []
        self.degradations = 0

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.failed.append(stage)
            raise
        self.ended.append(stage)

    def looked_up(self, *, hit: bool) -> None:
        self.hits.append(hit)

    def found(self, kind: SearchKind, videos: int) -> None:
        self.counts.append((kind, videos))

    def degraded(self) -> None:
        self.degradations += 1
