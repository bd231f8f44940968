"""Captions by youtube-transcript-api: the only module that knows it. Needs the extra `youtube`.

It asks the pages that YouTube's own players ask, without a key, and YouTube blocks addresses that ask often.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import requests
import youtube_transcript_api as library

from ingest.sources.patience import SERVER_ERRORS, TOO_EARLY, Patience, TryAgainError
from ingest.sources.youtube_captions import (
    CaptionLine,
    Captions,
    CaptionsBlockedError,
    CaptionsFailedError,
    choose_track,
)

_FORBIDDEN: Final = 403

# Everything else the library raises leaves open whether there are captions.
_SURELY_NONE: Final = (library.TranscriptsDisabled, library.NoTranscriptFound)
_FOR_GOOD: Final[dict[type[Exception], str]] = {
    library.AgeRestricted: "YouTube shows it to signed-in adults only",
    library.VideoUnavailable: "YouTube says that the video is unavailable",
    library.VideoUnplayable: "YouTube does not play the video here",
    library.PoTokenRequired: "YouTube gives them to its own players only",
}
# What the library raises where an answer is not of the shape it takes for granted.
_NONSENSE: Final = (ParseError, ValueError, LookupError, TypeError, AttributeError)


class TranscriptApi:
    """A CaptionFetcher. Use on one thread at a time, and close."""

    def __init__(
        self,
        languages: Sequence[str],
        *,
        patience: Patience | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self._languages = languages
        self._patience = patience or Patience(tries=4, first_pause=2.0)
        self._session = session or requests.Session()
        # The library sets no limit, and a session has none of its own to set.
        limited: Any = partial(self._session.request, timeout=self._patience.answer_seconds)
        self._session.request = limited  # type: ignore[method-assign, unused-ignore]
        self._library = library.YouTubeTranscriptApi(http_client=self._session)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fetch(self, video_id: str) -> Captions | None:
        """Return the captions that suit the languages best, of any language where it has none of those."""
        return self._patience.call(lambda: self._try(video_id))

    def _try(self, video_id: str) -> Captions | None:
        try:
            return self._fetch(video_id)
        except _SURELY_NONE:
            return None
        except (library.RequestBlocked, library.YouTubeRequestFailed) as e:
            raise _refusal(e) from e
        except library.CouldNotRetrieveTranscript as e:
            if reason := next((told for kind, told in _FOR_GOOD.items() if isinstance(e, kind)), None):
                raise CaptionsFailedError(reason) from e
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
        track = choose_track(list(self._library.list(video_id)), self._languages)
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
    """Return what to raise for an answer with an error status, or a page that asks whether we are a robot.

    The library's own text is not passed on: it is a page long and holds addresses with signatures.
    """
    response = getattr(error.__context__, "response", None)
    status = response.status_code if response is not None else None
    if isinstance(error, library.RequestBlocked) or status == _FORBIDDEN:
        return TryAgainError(
            CaptionsBlockedError("YouTube blocks this address, which asked too often or is a cloud's")
        )
    failed = CaptionsFailedError(f"YouTube answered with {status or 'an error'}")
    return TryAgainError(failed) if status in TOO_EARLY or status in SERVER_ERRORS else failed


def _nonsense(error: Exception) -> CaptionsFailedError:
    return CaptionsFailedError(f"YouTube's answer makes no sense ({type(error).__name__})")
