"""OpenAPI at `/schema`, with a page that needs no network: this service serves its scripts and styles."""

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
from api.access.guard import SECURITY_SCHEMES
from api.wire.route_properties import ASSET, DOCUMENTATION
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
    """An operation whose responses and errors are pages if the client asks for a page."""

    def __post_init__(self) -> None:
        """Add HTML to every response, because Litestar documents one media type per response."""
        for response in (self.responses or {}).values():
            if isinstance(response, OpenAPIResponse) and response.content is not None:
                response.content[MediaType.HTML] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def operation_id(name: str) -> Callable[[HTTPRouteHandler, Method, Any], str]:
    """Name the operations of a handler that serves both GET and HEAD."""
    return lambda _handler, method, _path: name if method == "GET" else name.replace("get", "head", 1)


def describe_api() -> OpenAPIConfig:
    """Build the configuration of the OpenAPI pages."""
    return OpenAPIConfig(
        title="vidsearch",
        version=__version__,
        description="Finds the right videos, and the right moments in them. Every error is "
        "`application/problem+json` with a stable `code`. This includes an unknown path (404 `not-found`), a "
        "method that the route does not have (405 `method-not-allowed`, with an `Allow` header), and a "
        "request head that is too large (431 `head-too-large`) or too slow (408 `head-too-slow`).",
        use_handler_docstrings=True,
        components=SECURITY_SCHEMES,
        render_plugins=[
            _Page(path="/"),
            _Document(path="/openapi.json", media_type=MediaType.JSON),
        ],
        openapi_router=Router(
            PATH,
            route_handlers=[],
            include_in_schema=False,
            after_request=_replace_404,
            opt=DOCUMENTATION.opt,
        ),
    )


def serve_assets() -> Router:
    """Serve the page's scripts and styles."""
    return create_static_files_router(
        ASSETS,
        [openapi_ui_bundles.swagger_ui.static_path, _PAGE_FOLDER],
        include_in_schema=False,
        opt=ASSET.opt,
    )


class _Page(OpenAPIRenderPlugin):
    """Swagger UI on our own page: Litestar's has an inline script, which a strict policy forbids."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Return the page, which is the same for every document."""
        return (_PAGE_FOLDER / "index.html").read_bytes()


class _Document(JsonRenderPlugin):
    """The document, which declares that bodies have no unknown fields. Litestar omits that."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Write the document as JSON."""
        schemas = openapi_schema["components"]["schemas"]
        closed = {body.__name__: schemas[body.__name__] | _CLOSED for body in _BODIES}
        components = openapi_schema["components"] | {"schemas": schemas | closed}
        return super().render(request, openapi_schema | {"components": components})


async def _replace_404(response: Response[Any]) -> Response[Any]:
    # Litestar sends its own HTML for an unknown page below the schema path. Every 404 should be the same.
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
