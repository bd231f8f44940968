"""What is wrong with a request, said in words that may be sent back: never its query text."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from retrieval.errors import VidsearchError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class RequestError(VidsearchError):
    """A request that this service refuses; its text names the place and the rule, not what was given.

    `headers` go with the answer.
    """

    headers = _NO_HEADERS


class InvalidParameterError(RequestError):
    """A parameter, or a field of the body, that breaks its rule."""

    def __init__(self, parameter: str, rule: str) -> None:
        super().__init__(f"{parameter}: {rule}")


class UnknownParameterError(RequestError):
    """A query parameter that the route does not take."""

    def __init__(self, name: str, taken: Iterable[str]) -> None:
        known = ", ".join(sorted(taken)) or "none"
        # It is the caller's text, and a query where somebody has forgotten `query=`: only a name is told.
        told = repr(name) if _NAME.fullmatch(name) else "What was given"
        super().__init__(f"{told} is not a parameter of this route. It takes: {known}.")


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


class BodyTooSlowError(RequestError):
    """A body that does not arrive."""

    # What may still come of it is no request.
    headers = MappingProxyType({"Connection": "close"})

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} s.")


class BodyIncompleteError(RequestError):
    """A body whose client went away before it was sent. Nobody is there to be told."""

    def __init__(self) -> None:
        super().__init__("The body ended before all of it was sent.")


class HeadTooLargeError(RequestError):
    """A request line and headers of more bytes than any client needs."""

    def __init__(self) -> None:
        super().__init__("The request line and headers together are too large.")


class HeadTooSlowError(RequestError):
    """A request line and headers that do not arrive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request line and headers did not arrive within {seconds:g} s.")


class HostNotAllowedError(RequestError):
    """A request for a host that this service does not answer for."""

    def __init__(self) -> None:
        super().__init__("This service does not answer for the host that the request names.")


class KeyRequiredError(RequestError):
    """A request without a key, to a route that asks for one."""

    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="vidsearch"'})

    def __init__(self) -> None:
        super().__init__("This route asks for a key. Send it with the header Authorization: Bearer KEY")


class KeyInvalidError(RequestError):
    """A request with a key that is none, or none any more."""

    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="vidsearch", error="invalid_token"'})

    def __init__(self) -> None:
        super().__init__("The key that was sent is not one of this service's, or was revoked.")


class ScopeMissingError(RequestError):
    """A request with a key that is not for this route."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The key that was sent does not have the scope `{scope}`.")
        challenge = f'Bearer realm="vidsearch", error="insufficient_scope", scope="{scope}"'
        self.headers = MappingProxyType({"WWW-Authenticate": challenge})


class RateLimitedError(RequestError):
    """More requests than the key or the address has in so short a time."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests. Try again in {seconds} s.")
        self.headers = MappingProxyType({"Retry-After": str(seconds)})
