"""The settings of the batch job: the YouTube key, the embedding cache and the limits of the gate."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from ingest.planning.gate import COUNTED, DEFAULT_LIMITS, Rule
from retrieval.declared_setting import FOLDER, SHARE, TEXT, Kind, Setting, SettingsError
from retrieval.settings import DATA_DIR, INDEX_SETTINGS, QDRANT_SETTINGS

_OFF = Path("off")
_GATE_PREFIX = "GATE_"
_SIMILARITY_OF_A_TYPO = 0.8
"""Less similar names that begin with GATE_ belong to other programs."""

_VIDEO_COUNT = Kind("a number of videos", float, lambda count: 0 <= count < float("inf"))
_GATE_HELP: Mapping[Rule, str] = {
    Rule.FEWER_VIDEOS: "Share of the videos by which the index may shrink.",
    Rule.REPLACED_VIDEOS: "Share of the videos that a run may remove.",
    Rule.RENAMED_VIDEOS: "Share of the videos that may appear again under another id.",
    Rule.LESS_COVERAGE: "Drop in the share of videos with a transcript.",
    Rule.LOST_TRANSCRIPTS: "Share of the transcribed videos that may lose their transcript.",
    Rule.SHORTER_TRANSCRIPTS: "Share of the videos whose transcript may lose more than a quarter.",
    Rule.CHANGED_TEXTS: "Share of the videos whose title or transcript may change.",
    Rule.MOVED_TEXTS: "Share of the videos that may get the title or transcript of another video.",
    Rule.REJECTED_ROWS: "Share of the rows that may be rejected.",
    Rule.REPEATED_IDS: "Share of the rows that may repeat the id of an earlier row.",
    Rule.SHARED_TRANSCRIPTS: "Number of videos that may share one transcript.",
    Rule.SHARED_TITLES: "Share of the videos that may share one title.",
    Rule.PLACEHOLDERS: "Share of the rows whose transcript may be a placeholder.",
    Rule.FUTURE_DATES: "Number of videos that may have a publication date in the future.",
    Rule.LOST_CANARIES: "Share of the checked titles that may no longer find their own video.",
}

YT_API_KEY = Setting(
    "YT_API_KEY", TEXT, "", "API key of the YouTube Data API v3, for youtube:CHANNEL.", "ingest", "none"
)
EMBEDDINGS_DIR = Setting(
    "EMBEDDINGS_DIR",
    FOLDER,
    DATA_DIR / "embeddings",
    "Folder that caches embeddings (up to 4 GB) so that an interrupted run continues; off: no cache.",
    "ingest",
)
_GATE_LIMITS: Mapping[Rule, Setting[float]] = {
    rule: Setting(
        f"{_GATE_PREFIX}{rule.name}",
        _VIDEO_COUNT if rule in COUNTED else SHARE,
        default,
        _GATE_HELP[rule],
        "ingest",
    )
    for rule, default in DEFAULT_LIMITS.items()
}

INGEST_SETTINGS: tuple[Setting[Any], ...] = (YT_API_KEY, EMBEDDINGS_DIR)
GATE_SETTINGS: tuple[Setting[Any], ...] = tuple(_GATE_LIMITS.values())
SETTINGS = (*INGEST_SETTINGS, *INDEX_SETTINGS, *QDRANT_SETTINGS, *GATE_SETTINGS)
"""Every setting that the batch job reads."""


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a run. `embeddings_dir` None: embeddings are not cached."""

    youtube_key: str | None = None
    embeddings_dir: Path | None = EMBEDDINGS_DIR.default
    gate_limits: Mapping[Rule, float] = msgspec.field(default_factory=lambda: DEFAULT_LIMITS)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "IngestSettings":
        """Read YT_API_KEY, EMBEDDINGS_DIR and the GATE_ settings. Raises SettingsError."""
        _check_names(environment)
        folder = EMBEDDINGS_DIR.read(environment)
        return cls(
            youtube_key=YT_API_KEY.read(environment) or None,
            embeddings_dir=None if folder == _OFF else folder,
            gate_limits={rule: setting.read(environment) for rule, setting in _GATE_LIMITS.items()},
        )


def _check_names(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a misspelt GATE_ setting, which would silently have no effect."""
    known = {setting.name for setting in GATE_SETTINGS}
    for name in environment:
        if name.startswith(_GATE_PREFIX) and name not in known:
            similar = get_close_matches(name, known, n=1, cutoff=_SIMILARITY_OF_A_TYPO)
            if similar:
                raise SettingsError(f"{name} is not a setting. Did you mean {similar[0]}?")
