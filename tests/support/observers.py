"""A SearchObserver that keeps what it is told."""

from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.stages import SearchKind, Stage


class KeepingObserver:
    """Keeps the stages that ended, in their order, the lookups and the numbers of videos."""

    def __init__(self) -> None:
        self.ended: list[Stage] = []
        self.failed: list[Stage] = []
        self.hits: list[bool] = []
        self.counts: list[tuple[SearchKind, int]] = []

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
