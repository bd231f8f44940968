"""What the service is told by its environment, checked once and passed down."""

from collections.abc import Mapping

import msgspec

from api.access_settings import AccessSettings
from retrieval.settings import LARGEST_PORT, SearchSettings, SettingsError, whole_number


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, for whom, and what it searches.

    Raises SettingsError when built of what cannot be.
    """

    search: SearchSettings
    host: str = "127.0.0.1"
    port: int = 8080
    access: AccessSettings = AccessSettings()

    def __post_init__(self) -> None:
        if not self.host.strip():
            raise SettingsError("HOST is blank, and must be an address to listen on, like 127.0.0.1.")
        if not 1 <= self.port <= LARGEST_PORT:
            raise SettingsError(f"PORT is {self.port}, and must be from 1 to {LARGEST_PORT}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ApiSettings":
        """Read HOST, PORT and what SearchSettings and AccessSettings read. Raises SettingsError."""
        return cls(
            search=SearchSettings.from_environment(environment),
            host=environment.get("HOST") or "127.0.0.1",
            port=whole_number(environment, "PORT", 8080, least=1),
            access=AccessSettings.from_environment(environment),
        )
