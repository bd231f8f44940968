"""That the service is about to stop: told to whoever sends it requests, while it still answers them."""


class Draining:
    """Whether the service was told to stop."""

    def __init__(self) -> None:
        """It was not yet."""
        self.has_begun = False

    def begin(self) -> None:
        """Say that it was."""
        self.has_begun = True
