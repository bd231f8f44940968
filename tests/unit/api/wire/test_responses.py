from time import perf_counter

import msgspec

from api.media.addresses import VideoAddresses
from api.wire.responses import search_answer
from retrieval.index.hits import Moment
from retrieval.search.results import FoundVideo, SearchRequest, SearchResult
from tests.unit.api.fakes import VERSION, record

ADDRESSES = VideoAddresses(None)


def test_a_video_without_a_transcript_shows_no_moment() -> None:
    result = SearchResult(VERSION, (FoundVideo(record(), 30.0, (Moment(None, None, None, 30.0),)),))
    video = search_answer(SearchRequest(text="x"), result, perf_counter(), ADDRESSES).videos[0]
    assert (video.distance, video.moments) == (30.0, [])


def test_a_distance_that_nothing_was_measured_for_is_null() -> None:
    result = SearchResult(
        VERSION, (FoundVideo(record(), None, (Moment(0.0, 1.0, "said", None),)),), is_degraded=True
    )
    answer = search_answer(SearchRequest(text="x"), result, perf_counter(), ADDRESSES)
    assert (answer.degraded, answer.videos[0].distance, answer.videos[0].moments[0].distance) == (
        "lexical",
        None,
        None,
    )


def test_the_moments_of_a_file_are_fragments_of_its_address() -> None:
    video = FoundVideo(
        msgspec.structs.replace(record(), media="a talk.mp4"), 30.0, (Moment(34.9, 45.0, "said", 30.0),)
    )
    answer = search_answer(
        SearchRequest(text="x"),
        SearchResult(VERSION, (video,)),
        perf_counter(),
        VideoAddresses("http://videos.test"),
    )
    assert answer.videos[0].url == "http://videos.test/media/a%20talk.mp4"
    assert answer.videos[0].moments[0].url == "http://videos.test/media/a%20talk.mp4#t=34"
