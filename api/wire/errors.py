"""What can be wrong with a request. The texts may be sent to the client: they never contain query text."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar

from retrieval.errors import VidsearchError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class RequestError(VidsearchError):
    """A request that this service refuses. Its text names the parameter and the rule, not the value sent.

    `headers` are added to the response. `text` is the text of errors that all have the same.
    """

    headers = _NO_HEADERS
    text: ClassVar[str]

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or self.text)


class InvalidParameterError(RequestError):
    """A query parameter or a field of the body breaks its rule."""

    code = "invalid-parameter"
    title = "Invalid parameter"

    def __init__(self, parameter: str, rule: str) -> None:
        super().__init__(f"{parameter}: {rule}")


class UnknownParameterError(RequestError):
    """The route does not take this query parameter."""

    code = "unknown-parameter"
    title = "Unknown parameter"

    def __init__(self, name: str, accepted: Iterable[str]) -> None:
        known = ", ".join(sorted(accepted)) or "none"
        # The name is the caller's text, and is the query itself if the caller forgot `query=`. Only text that
        # looks like a parameter name is repeated.
        is_name = _NAME.fullmatch(name) is not None
        fault = f"{name!r} is not a parameter of this route" if is_name else "A parameter is unknown"
        super().__init__(f"{fault}. The parameters of this route: {known}.")


class EmptyQueryError(RequestError):
    """The query consists of blanks."""

    code = "empty-query"
    title = "Empty query"

    def __init__(self, parameter: str) -> None:
        super().__init__(f"{parameter}: is blank. Describe in a few words what to look for.")


class QueryTooLongError(RequestError):
    """The query has more characters than the limit."""

    code = "query-too-long"
    title = "Query too long"

    def __init__(self, parameter: str, longest: int) -> None:
        super().__init__(f"{parameter}: is longer than {longest:,} characters.")


class MalformedRequestError(RequestError):
    """The request is not HTTP that this service can read."""

    code = "malformed-request"
    title = "Malformed request"

    text = "The request is not well-formed HTTP."


class MalformedBodyError(MalformedRequestError):
    """The body is not valid JSON."""

    text = "The body is not valid JSON in UTF-8."


class UnsupportedBodyError(RequestError):
    """The body has a media type that the route does not read."""

    code = "unsupported-media-type"
    title = "Unsupported media type"
    text = "The body must be JSON. Send it with the header Content-Type: application/json"


class StoppingError(VidsearchError):
    """The service has received a signal to stop. It still answers requests that arrive until then."""

    code = "stopping"
    title = "Stopping"

    def __init__(self) -> None:
        super().__init__("The service is stopping.")


class TaskEndedError(VidsearchError):
    """A background task of the service has ended, so the service must be restarted."""

    code = "task-ended"
    title = "A background task has ended"

    def __init__(self, name: str) -> None:
        super().__init__(f"The background task {name} has ended. Restart the service.")


class BodyTooSlowError(RequestError):
    """The body did not arrive in time."""

    code = "body-too-slow"
    title = "Body too slow"
    # The rest of the body may still arrive, and it is not a request.
    headers = MappingProxyType({"Connection": "close"})

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} s.")


class BodyIncompleteError(RequestError):
    """The client disconnected before the whole body was sent, so no one reads the response."""

    code = "body-incomplete"
    title = "Body incomplete"
    text = "The body ended before all of it was sent."


class HeadTooLargeError(RequestError):
    """The request line and the headers have more bytes than the limit."""

    code = "head-too-large"
    title = "Head too large"
    text = "The request line and headers together are too large."


class HeadTooSlowError(RequestError):
    """The request line and the headers did not arrive in time."""

    code = "head-too-slow"
    title = "Head too slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request line and headers did not arrive within {seconds:g} s.")


class HostNotAllowedError(RequestError):
    """The request names a host that is not one of ALLOWED_HOSTS."""

    code = "host-not-allowed"
    title = "Host not allowed"
    text = "This service does not serve the host that the request names."


class KeyRequiredError(RequestError):
    """The route needs a key, and the request has none."""

    code = "key-required"
    title = "Key required"
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="vidsearch"'})
    text = "This route needs a key. Send it with the header Authorization: Bearer KEY"


class KeyInvalidError(RequestError):
    """The key is malformed, unknown or revoked."""

    code = "key-invalid"
    title = "Invalid key"
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="vidsearch", error="invalid_token"'})
    text = "This key isn't valid. It may have been revoked."


class ScopeMissingError(RequestError):
    """The key is valid, but does not have the scope that this route needs."""

    code = "scope-missing"
    title = "Scope missing"

    def __init__(self, key_scope: str) -> None:
        super().__init__(f"This key doesn't have the scope `{key_scope}`.")
        challenge = f'Bearer realm="vidsearch", error="insufficient_scope", scope="{key_scope}"'
        self.headers = MappingProxyType({"WWW-Authenticate": challenge})


class RateLimitedError(RequestError):
    """The key or the address has sent more requests than its rate limit allows."""

    code = "rate-limited"
    title = "Rate limited"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests. Try again in {seconds} s.")
        self.headers = MappingProxyType({"Retry-After": str(seconds)})


class MediaNotFoundError(RequestError):
    """There is no such file below MEDIA_DIR, or it is not one that is served."""

    code = "media-not-found"
    title = "Media file not found"
    text = "There's no such audio or video file."


class MediaBusyError(RequestError):
    """Too many files are being sent."""

    code = "media-busy"
    title = "Too many media files"
    text = "Too many audio and video files are being sent. Try again shortly."


class RangeNotSatisfiableError(RequestError):
    """The requested part of a file starts after its end."""

    code = "range-not-satisfiable"
    title = "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes, and the range starts after them.")
        self.headers = MappingProxyType({"Content-Range": f"bytes */{size}"})


class TicketInvalidError(RequestError):
    """The ticket in an address is not valid: it is for another file, has expired, or its key was revoked."""

    code = "ticket-invalid"
    title = "Ticket invalid"
    headers = KeyInvalidError.headers
    text = "This address has expired. Search again to get a new one."
