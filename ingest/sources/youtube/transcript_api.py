"""Captions through youtube-transcript-api. Only this module uses the library; importing it does not load it.

The library requests the pages that YouTube's own players request, without a key. YouTube blocks addresses
that request many of them.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from ingest.rows.fields import clean_text
from ingest.sources.youtube.captions import (
    Captions,
    CaptionsBlockedError,
    CaptionsFailedError,
    choose_track,
)
from ingest.sources.youtube.retries import RETRYABLE_STATUSES, SERVER_ERRORS, RetryableError, RetryPolicy
from retrieval.catalogue.video import Cue

if TYPE_CHECKING:
    import requests

_FORBIDDEN: Final = 403

# Errors of the library that a retry does not help against.
_PERMANENT: Final = {
    "AgeRestricted": "YouTube shows the video to signed-in adults only",
    "VideoUnavailable": "YouTube reports that the video is unavailable",
    "VideoUnplayable": "YouTube does not play the video here",
    "PoTokenRequired": "YouTube sends them to its own players only",
}
# What the library raises if an answer does not have the structure it expects.
_MALFORMED: Final = (ParseError, ValueError, LookupError, TypeError, AttributeError)


class TranscriptApi:
    """A CaptionFetcher. Use it on one thread at a time, and close it.

    Raises ImportError when built if youtube-transcript-api is not installed.
    """

    def __init__(
        self,
        languages: Sequence[str],
        *,
        retries: RetryPolicy | None = None,
        session: "requests.Session | None" = None,
    ) -> None:
        import requests  # noqa: PLC0415 - only users of YouTube need these two packages.
        import youtube_transcript_api  # noqa: PLC0415

        self._requests: Any = requests
        self._library: Any = youtube_transcript_api
        self._languages = languages
        self._retries = retries or RetryPolicy(attempts=4, first_pause=2.0)
        self._session = session or requests.Session()
        # Neither the library nor a session sets a timeout.
        limited: Any = partial(self._session.request, timeout=self._retries.timeout)
        self._session.request = limited  # type: ignore[method-assign, unused-ignore]
        self._api = self._library.YouTubeTranscriptApi(http_client=self._session)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fetch(self, video_id: str) -> Captions | None:
        """Return the captions in the most preferred language; None if the video has none at all."""
        return self._retries.call(lambda: self._try(video_id))

    def _try(self, video_id: str) -> Captions | None:
        library, requests = self._library, self._requests
        try:
            return self._fetch(video_id)
        # After every other error of the library it is unknown whether there are captions.
        except (library.TranscriptsDisabled, library.NoTranscriptFound):
            return None
        except library.RequestBlocked as e:
            raise RetryableError(_blocked()) from e
        except library.YouTubeRequestFailed as e:
            raise _refusal(e) from e
        except library.CouldNotRetrieveTranscript as e:
            if type(e).__name__ in _PERMANENT:
                raise CaptionsFailedError(_PERMANENT[type(e).__name__]) from e
            raise RetryableError(_malformed(e)) from e
        # These two come before ValueError: requests' error for invalid JSON is one.
        except requests.Timeout as e:
            message = f"YouTube did not answer within {self._retries.timeout:g} s"
            raise RetryableError(CaptionsFailedError(message)) from e
        except requests.ConnectionError as e:
            raise RetryableError(CaptionsFailedError("YouTube cannot be reached")) from e
        except (requests.RequestException, *_MALFORMED) as e:
            raise RetryableError(_malformed(e)) from e

    def _fetch(self, video_id: str) -> Captions | None:
        track = choose_track(list(self._api.list(video_id)), self._languages)
        if track is None:
            return None
        lines = tuple(
            _cue(snippet.start, snippet.duration, text)
            for snippet in track.fetch()
            if (text := " ".join(clean_text(snippet.text).split()))
        )
        if not lines:
            # The video has captions, so an answer without text is a failure, not a missing transcript.
            raise ValueError("no text")
        return Captions(
            language=track.language_code,
            kind="automatic" if track.is_generated else "manual",
            lines=lines,
        )


def _cue(start: float, duration: float, text: str) -> Cue:
    if not math.isfinite(start + duration):
        raise ValueError("a time is not a number")
    start = max(0.0, start)
    return Cue(start, start + max(0.0, duration), text)


def _refusal(error: Exception) -> RetryableError | CaptionsFailedError:
    """Return the exception to raise for an answer with an error status.

    The library's own text is not passed on: it is a page long and contains signed addresses.
    """
    status = getattr(getattr(error.__context__, "response", None), "status_code", None)
    if status == _FORBIDDEN:
        return RetryableError(_blocked())
    failed = CaptionsFailedError(f"YouTube answered with {status or 'an error'}")
    return RetryableError(failed) if status in RETRYABLE_STATUSES or status in SERVER_ERRORS else failed


def _blocked() -> CaptionsBlockedError:
    return CaptionsBlockedError(
        "YouTube blocks this address, after too many requests or because it belongs to a cloud provider"
    )


def _malformed(error: Exception) -> CaptionsFailedError:
    return CaptionsFailedError(f"YouTube's answer cannot be read ({type(error).__name__})")
