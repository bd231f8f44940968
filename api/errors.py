"""What is wrong with a request, said in words that may be sent back: never its query text."""

from collections.abc import Iterable

from retrieval.errors import VidsearchError


class RequestError(VidsearchError):
    """A request that this service refuses; its text names the place and the rule, not what was given."""


class InvalidParameterError(RequestError):
    """A parameter, or a field of the body, that breaks its rule."""

    def __init__(self, parameter: str, rule: str) -> None:
        super().__init__(f"{parameter}: {rule}")


class UnknownParameterError(RequestError):
    """A query parameter that the route does not take."""

    def __init__(self, name: str, taken: Iterable[str]) -> None:
        known = ", ".join(sorted(taken)) or "none"
        # Quoted and cut: it is the caller's text, and may be anything.
        super().__init__(f"{name[:40]!r} is not a parameter of this route. It takes: {known}.")


class EmptyQueryError(RequestError):
    """A query with nothing but blanks in it."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"{parameter}: is blank. Say in a few words what to look for.")


class QueryTooLongError(RequestError):
    """A query of more characters than a question has."""

    def __init__(self, parameter: str, longest: int) -> None:
        super().__init__(f"{parameter}: is longer than {longest:,} characters.")


class MalformedBodyError(RequestError):
    """A body that is not the JSON it says it is."""

    def __init__(self) -> None:
        super().__init__("The body is not valid JSON in UTF-8.")


class UnsupportedBodyError(RequestError):
    """A body of a media type that the route does not read."""

    def __init__(self) -> None:
        super().__init__("The body must be JSON. Send it with the header Content-Type: application/json")


class StoppingError(VidsearchError):
    """The service was told to stop, and still answers those who do not know."""

    def __init__(self) -> None:
        super().__init__("The service is stopping.")
