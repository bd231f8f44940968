"""The routes of the search page: the start page, the results of a search, and one video.

Every state is rendered on the server, as a whole page.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, SkipValidation
from litestar.response import Template

from api.media.addresses import Addresses
from api.pages.search_form import LAST_OFFSET, NO_LABELS, SearchForm, list_filters
from api.pages.search_view import Thumbnails, describe_index, view_page, view_video
from api.wire.negotiation import PRIVATE_NO_CACHE
from api.wire.parameters import check_query
from api.wire.paths import decode_video_id
from api.wire.query_string import check_query_string
from api.wire.route_properties import PAGE, SEARCH_PAGE
from api.wire.schemas import MOST_MOMENTS
from retrieval.catalogue.manifest import Manifest
from retrieval.errors import IndexUnavailableError
from retrieval.search.ranking import Mode
from retrieval.search.results import CatalogueLabels, FoundVideo
from retrieval.search.searcher import Searcher

SIMILAR_VIDEOS = 6


class PageChoices(msgspec.Struct, frozen=True):
    """Which thumbnails pages load from other hosts, and whether the catalogue requires a key."""

    thumbnails: Thumbnails
    asks_for_key: bool


Search = NamedDependency[SkipValidation[Searcher]]
Choices = NamedDependency[PageChoices]
Field = Annotated[str, QueryParameter()]

_EMPTY_FORM = SearchForm()


@get("/app", include_in_schema=False, opt=PAGE.opt, guards=[check_query_string])
async def app_page(searcher: Search, choices: Choices) -> Template:
    """Show the start page. It is public, so it shows nothing of a catalogue that requires a key."""
    return await start_page(searcher, shows_catalogue=not choices.asks_for_key)


@get("/app/search", include_in_schema=False, opt=SEARCH_PAGE.opt, guards=[check_query_string])
async def search_page(
    searcher: Search,
    choices: Choices,
    addresses: Addresses,
    text: Annotated[str, QueryParameter(name="query")] = "",
    mode: Annotated[Mode, QueryParameter()] = "hybrid",
    channel: Field = "",
    language: Field = "",
    published_after: Field = "",
    published_before: Field = "",
    offset: Annotated[int, QueryParameter(ge=0, le=LAST_OFFSET)] = 0,
) -> Template:
    """Show the results of a search, or the start page if there is no query."""
    form = SearchForm(
        query=text,
        mode=mode,
        channel=channel,
        language=language,
        published_after=published_after,
        published_before=published_before,
        offset=offset,
    )
    if not form.has_query:
        return await start_page(searcher, form, shows_catalogue=True)
    async with searcher.pinned() as pinned:
        result = await pinned.search(form.to_request())
        filters = list_filters(await pinned.labels(), form)
    page = view_page(result, form, addresses, thumbnails=choices.thumbnails)
    return Template(
        "search.html", context={"form": form, "filters": filters, "page": page}, headers=PRIVATE_NO_CACHE
    )


@get("/app/videos/{video_id:str}", include_in_schema=False, opt=SEARCH_PAGE.opt, guards=[check_query_string])
async def video_page(
    searcher: Search,
    choices: Choices,
    addresses: Addresses,
    video_id: Annotated[str, PathParameter()],
    text: Annotated[str, QueryParameter(name="query")] = "",
) -> Template:
    """Show one video, similar videos and, if there is a query, all moments that match it."""
    decoded_id, form = decode_video_id(video_id), SearchForm(query=text)
    async with searcher.pinned() as pinned:
        similar = await pinned.similar(decoded_id, limit=SIMILAR_VIDEOS)
        labels = await pinned.labels()
        if form.has_query:
            inside = await pinned.search_inside(decoded_id, check_query(text), limit=MOST_MOMENTS)
            video = inside.videos[0]
        else:
            video = FoundVideo(await pinned.video(decoded_id), None, ())
    context = {
        "form": form,
        "filters": list_filters(labels, form),
        "video": view_video(video, form, addresses, thumbnails=choices.thumbnails),
        "similar": [
            view_video(each, form, addresses, thumbnails=choices.thumbnails) for each in similar.videos
        ],
    }
    return Template("video.html", context=context, headers=PRIVATE_NO_CACHE)


async def start_page(
    searcher: Searcher, form: SearchForm = _EMPTY_FORM, *, shows_catalogue: bool
) -> Template:
    """Show an overview of the index, or the command that builds one if there is none."""
    manifest, labels = await _read_index(searcher)
    start = describe_index(manifest, datetime.now(UTC), shows_titles=shows_catalogue)
    filters = list_filters(labels if shows_catalogue else NO_LABELS, form)
    context = {"form": form, "filters": filters, "start": start}
    return Template("start.html", context=context, headers=PRIVATE_NO_CACHE)


async def _read_index(searcher: Searcher) -> tuple[Manifest | None, CatalogueLabels]:
    try:
        async with searcher.pinned() as pinned:
            return await pinned.manifest(), await pinned.labels()
    except IndexUnavailableError:
        return None, NO_LABELS
