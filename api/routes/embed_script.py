"""`/embed.js`: the search box that pages of other sites show. docs/embed.md says how they do."""

import hashlib
from pathlib import Path
from typing import Annotated

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter

from api.access.guard import PAGES

PATH = "/embed.js"
_SCRIPT = Path(__file__).with_name("embed.js")

_KEPT = {
    # An hour for everybody to have a new one, and a day in which nobody waits for that.
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    # The one file that pages of other sites load.
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def serve_embed_script() -> HTTPRouteHandler:
    """Make the route. It reads the script once, so that its bytes and their tag are always of one version."""
    script = _SCRIPT.read_bytes()
    tag = f'"{hashlib.sha256(script).hexdigest()[:32]}"'
    headers = {**_KEPT, "ETag": tag}

    @route(
        PATH,
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        include_in_schema=False,
        opt=PAGES,
        media_type="text/javascript",
    )
    async def embed_script(
        known: Annotated[str, HeaderParameter(name="If-None-Match")] = "",
    ) -> Response[bytes]:
        """Send the script, or only say that the caller's copy is the same."""
        # A tag has its quotation marks, so it is found in a list, and behind the W/ that a proxy may add.
        if tag in known or known.strip() == "*":
            return Response(b"", status_code=304, headers=headers)
        return Response(script, headers=headers)

    return embed_script
