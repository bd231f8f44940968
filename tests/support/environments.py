"""An environment that records which variables were read."""

from typing import Any


class RecordingEnvironment(dict[str, str]):
    """Behaves like os.environ with these variables; `names` collects the names that were looked up."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)
