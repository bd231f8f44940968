"""`/embed.js`: the search box for other sites. See docs/search-page.md."""

import hashlib
from pathlib import Path
from typing import Annotated

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter

from api.wire.route_properties import ASSET

_SCRIPT = Path(__file__).with_name("embed.js")

_HEADERS = {
    # Browsers check for a new release every hour. For a day more, they may use a stale copy meanwhile.
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    # The only file that pages of other sites may load.
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def serve_embed_script() -> HTTPRouteHandler:
    """Create the route. It reads the script once, so that its bytes and its ETag always match."""
    script = _SCRIPT.read_bytes()
    tag = f'"{hashlib.sha256(script).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}

    @route(
        "/embed.js",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        include_in_schema=False,
        opt=ASSET.opt,
        media_type="text/javascript",
    )
    async def embed_script(
        etags: Annotated[str, HeaderParameter(name="If-None-Match")] = "",
    ) -> Response[bytes]:
        """Send the script, or 304 if the caller's copy is current."""
        # A tag includes its quotation marks, so this also matches in a list and after the W/ of a proxy.
        if tag in etags or etags.strip() == "*":
            return Response(b"", status_code=304, headers=headers)
        return Response(script, headers=headers)

    return embed_script
