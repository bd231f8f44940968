"""OpenAPI at `/schema`, with a page that needs no network: its scripts and styles lie beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openapi_ui_bundles
from litestar import Request, Response, Router
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.static_files import create_static_files_router
from litestar.types import Method

from api import __version__
from api.access.guard import PAGES, SECURITY_SCHEMES
from api.wire.schemas import BatchParameters, SearchParameters

PATH = "/schema"
ASSETS = "/schema/assets"
_PAGE_FOLDER = Path(__file__).with_name("documentation_page")

_BODIES = (SearchParameters, BatchParameters)
_CLOSED = {"additionalProperties": False}

TEXT_EXAMPLE = Example(summary="A question", value="how does a transformer pay attention")
SEARCH_EXAMPLE = Example(
    summary="One video, one moment",
    value={
        "query": "how does a transformer pay attention",
        "mode": "hybrid",
        "index_version": "20240531T120000Z-1",
        "took_ms": 3.1,
        "degraded": None,
        "videos": [
            {
                "video_id": "tLf2bGhmWsI",
                "title": "Transformers, explained",
                "url": "https://youtu.be/tLf2bGhmWsI",
                "channel": "A channel",
                "published_at": "2024-05-31T12:00:00Z",
                "thumbnail_url": None,
                "distance": 27.3,
                "moments": [
                    {
                        "start": 12.3,
                        "end": 45.6,
                        "text": "Attention lets every word look at every other word ...",
                        "url": "https://youtu.be/tLf2bGhmWsI?t=12",
                        "distance": 27.3,
                    }
                ],
            }
        ],
    },
)


@dataclass
class AlsoPage(Operation):
    """An operation whose answers and errors are pages where a page was asked for."""

    def __post_init__(self) -> None:
        """Add the page to every response: Litestar documents one media type of each."""
        for response in (self.responses or {}).values():
            if isinstance(response, OpenAPIResponse) and response.content is not None:
                response.content[MediaType.HTML] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def operation_id(name: str) -> Callable[[HTTPRouteHandler, Method, Any], str]:
    """Name the operations of a handler that answers GET and HEAD alike."""
    return lambda _handler, method, _path: name if method == "GET" else name.replace("get", "head", 1)


def describe_api() -> OpenAPIConfig:
    """Build the configuration of the OpenAPI pages."""
    return OpenAPIConfig(
        title="vidsearch",
        version=__version__,
        description="Finds the right videos, and the right moments in them. Every error is "
        "`application/problem+json` with a stable `code`; so are an unknown path (404 `not-found`) and a "
        "method that a route does not have (405 `method-not-allowed`, with an `Allow` header), and headers "
        "that are too many (431 `head-too-large`) or too slow (408 `head-too-slow`).",
        use_handler_docstrings=True,
        components=SECURITY_SCHEMES,
        render_plugins=[
            _Page(path="/"),
            _Document(path="/openapi.json", media_type=MediaType.JSON),
        ],
        openapi_router=Router(
            PATH, route_handlers=[], include_in_schema=False, after_request=_without_its_own_404, opt=PAGES
        ),
    )


def serve_assets() -> Router:
    """Serve the page's scripts and styles."""
    return create_static_files_router(
        ASSETS, [openapi_ui_bundles.swagger_ui.static_path, _PAGE_FOLDER], include_in_schema=False, opt=PAGES
    )


class _Page(OpenAPIRenderPlugin):
    """Swagger UI on a page of ours: Litestar's has a script in it, which a strict policy does not run."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Read the page, which is the same for every document."""
        return (_PAGE_FOLDER / "index.html").read_bytes()


class _Document(JsonRenderPlugin):
    """The document, which says that bodies take no unknown field: Litestar is silent of it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Write the document as JSON."""
        schemas = openapi_schema["components"]["schemas"]
        closed = {body.__name__: schemas[body.__name__] | _CLOSED for body in _BODIES}
        components = openapi_schema["components"] | {"schemas": schemas | closed}
        return super().render(request, openapi_schema | {"components": components})


async def _without_its_own_404(response: Response[Any]) -> Response[Any]:
    # Litestar answers an unknown page under its schema path with HTML; here every 404 looks the same.
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
