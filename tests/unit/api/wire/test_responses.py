from time import perf_counter

from api.wire.responses import search_answer
from retrieval.index.hits import Moment
from retrieval.search.results import FoundVideo, SearchRequest, SearchResult
from tests.unit.api.fakes import VERSION, record


def test_a_video_without_a_transcript_shows_no_moment() -> None:
    result = SearchResult(VERSION, (FoundVideo(record(), 30.0, (Moment(None, None, None, 30.0),)),))
    video = search_answer(SearchRequest(text="x"), result, perf_counter()).videos[0]
    assert (video.distance, video.moments) == (30.0, [])


def test_a_distance_that_nothing_was_measured_for_is_null() -> None:
    result = SearchResult(
        VERSION, (FoundVideo(record(), None, (Moment(0.0, 1.0, "said", None),)),), is_degraded=True
    )
    answer = search_answer(SearchRequest(text="x"), result, perf_counter())
    assert (answer.degraded, answer.videos[0].distance, answer.videos[0].moments[0].distance) == (
        "lexical",
        None,
        None,
    )
