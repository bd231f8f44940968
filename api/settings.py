"""What the service is told by its environment, checked once and passed down."""

from collections.abc import Mapping

import msgspec

from retrieval.settings import LARGEST_PORT, SearchSettings, SettingsError, usable_cores, whole_number

SEARCHES_A_CORE = 4
"""With more under way than that a search waits for others most of its time."""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, what it searches, and how much at a time.

    Raises SettingsError when built of what cannot be. `drain_seconds`: for how long a service that was told
    to stop says so before it takes no more requests.
    """

    search: SearchSettings
    host: str = "127.0.0.1"
    port: int = 8080
    max_searches: int = msgspec.field(default_factory=lambda: SEARCHES_A_CORE * usable_cores())
    drain_seconds: int = 1

    def __post_init__(self) -> None:
        if not self.host.strip():
            raise SettingsError("HOST is blank, and must be an address to listen on, like 127.0.0.1.")
        if not 1 <= self.port <= LARGEST_PORT:
            raise SettingsError(f"PORT is {self.port}, and must be from 1 to {LARGEST_PORT}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ApiSettings":
        """Read HOST, PORT, MAX_SEARCHES, DRAIN_SECONDS and what SearchSettings reads.

        Raises SettingsError.
        """
        return cls(
            search=SearchSettings.from_environment(environment),
            host=environment.get("HOST") or "127.0.0.1",
            port=whole_number(environment, "PORT", 8080, least=1),
            max_searches=whole_number(environment, "MAX_SEARCHES", SEARCHES_A_CORE * usable_cores(), least=1),
            drain_seconds=whole_number(environment, "DRAIN_SECONDS", 1, least=0),
        )
