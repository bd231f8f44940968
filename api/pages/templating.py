"""The templates of the pages, and the route that serves the pages' stylesheets and scripts."""

from functools import cache
from pathlib import Path

import jinja2
from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from api import __version__
from api.wire.route_properties import PAGE

ASSETS = "/app/assets"

_FOLDER = Path(__file__).parent


@cache
def templates() -> jinja2.Environment:
    """Load the templates. They escape every value, and a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(assets=ASSETS, version=__version__)
    return environment


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Configure Litestar's `Template` responses to use these templates."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(templates()))


def serve_page_assets() -> Router:
    """Serve the stylesheets and scripts. Browsers revalidate them, so they always fit the page."""
    return create_static_files_router(
        ASSETS,
        [_FOLDER / "assets"],
        name="page-assets",
        cache_control=CacheControlHeader(no_cache=True),
        include_in_schema=False,
        opt=PAGE.opt,
    )
