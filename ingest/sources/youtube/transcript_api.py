"""Captions by youtube-transcript-api: the only module that knows it, and importable without it.

It asks the pages that YouTube's own players ask, without a key, and YouTube blocks addresses that ask often.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from ingest.sources.youtube.captions import (
    CaptionLine,
    Captions,
    CaptionsBlockedError,
    CaptionsFailedError,
    choose_track,
)
from ingest.sources.youtube.retries import SERVER_ERRORS, TOO_EARLY, Patience, TryAgainError

if TYPE_CHECKING:
    import requests

_FORBIDDEN: Final = 403

# The library's errors that trying again does not help against.
_FOR_GOOD: Final = {
    "AgeRestricted": "YouTube shows it to signed-in adults only",
    "VideoUnavailable": "YouTube says that the video is unavailable",
    "VideoUnplayable": "YouTube does not play the video here",
    "PoTokenRequired": "YouTube gives them to its own players only",
}
# What the library raises where an answer is not of the shape it takes for granted.
_NONSENSE: Final = (ParseError, ValueError, LookupError, TypeError, AttributeError)


class TranscriptApi:
    """A CaptionFetcher. Use on one thread at a time, and close.

    Building one raises ImportError without the extra `youtube`.
    """

    def __init__(
        self,
        languages: Sequence[str],
        *,
        patience: Patience | None = None,
        session: "requests.Session | None" = None,
    ) -> None:
        import requests  # noqa: PLC0415 - the extra is needed by those who use it.
        import youtube_transcript_api  # noqa: PLC0415

        self._requests: Any = requests
        self._library: Any = youtube_transcript_api
        self._languages = languages
        self._patience = patience or Patience(tries=4, first_pause=2.0)
        self._session = session or requests.Session()
        # The library sets no limit, and a session has none of its own to set.
        limited: Any = partial(self._session.request, timeout=self._patience.answer_seconds)
        self._session.request = limited  # type: ignore[method-assign, unused-ignore]
        self._api = self._library.YouTubeTranscriptApi(http_client=self._session)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fetch(self, video_id: str) -> Captions | None:
        """Return the captions that suit the languages best, of any language where it has none of those."""
        return self._patience.call(lambda: self._try(video_id))

    def _try(self, video_id: str) -> Captions | None:
        library, requests = self._library, self._requests
        try:
            return self._fetch(video_id)
        # Everything else that the library raises leaves open whether there are captions.
        except (library.TranscriptsDisabled, library.NoTranscriptFound):
            return None
        except library.RequestBlocked as e:
            raise TryAgainError(_blocked()) from e
        except library.YouTubeRequestFailed as e:
            raise _refusal(e) from e
        except library.CouldNotRetrieveTranscript as e:
            if type(e).__name__ in _FOR_GOOD:
                raise CaptionsFailedError(_FOR_GOOD[type(e).__name__]) from e
            raise TryAgainError(_nonsense(e)) from e
        # These two before the others: requests' error for what is no JSON is a ValueError too.
        except requests.Timeout as e:
            waited = f"YouTube did not answer within {self._patience.answer_seconds:g} s"
            raise TryAgainError(CaptionsFailedError(waited)) from e
        except requests.ConnectionError as e:
            raise TryAgainError(CaptionsFailedError("YouTube cannot be reached")) from e
        except (requests.RequestException, *_NONSENSE) as e:
            raise TryAgainError(_nonsense(e)) from e

    def _fetch(self, video_id: str) -> Captions | None:
        track = choose_track(list(self._api.list(video_id)), self._languages)
        if track is None:
            return None
        fetched = track.fetch()
        lines = [
            CaptionLine(snippet.start, snippet.start + snippet.duration, text)
            for snippet in fetched
            if (text := " ".join(snippet.text.split()))
        ]
        if not lines:
            # It lists captions, so that it sends none of their words is a failure and no transcript.
            raise ValueError("no text")
        return Captions(
            language=track.language_code,
            kind="automatic" if track.is_generated else "manual",
            lines=lines,
        )


def _refusal(error: Exception) -> TryAgainError | CaptionsFailedError:
    """Return what to raise for an answer with an error status.

    The library's own text is not passed on: it is a page long and holds addresses with signatures.
    """
    status = getattr(getattr(error.__context__, "response", None), "status_code", None)
    if status == _FORBIDDEN:
        return TryAgainError(_blocked())
    failed = CaptionsFailedError(f"YouTube answered with {status or 'an error'}")
    return TryAgainError(failed) if status in TOO_EARLY or status in SERVER_ERRORS else failed


def _blocked() -> CaptionsBlockedError:
    return CaptionsBlockedError("YouTube blocks this address, which asked too often or is a cloud's")


def _nonsense(error: Exception) -> CaptionsFailedError:
    return CaptionsFailedError(f"YouTube's answer makes no sense ({type(error).__name__})")
