"""The documentation page in a browser. The test fails if its content security policy blocks anything."""

from collections.abc import Callable

from tests.support.browser import WatchedPage
from tests.support.processes import Api


def test_the_page_shows_every_route(look_at: Callable[..., WatchedPage], sample_api: Api) -> None:
    page = look_at(sample_api.address)
    # The fragment opens one operation, so that its parameters, examples and responses are rendered too.
    page.open("/schema#/search/search")
    page.page.locator(".opblock.is-open table.parameters").wait_for()
    content = page.page.content()
    for path in sample_api.get("/schema/openapi.json").json()["paths"]:
        assert f'data-path="{path}"' in content
    assert "key-required" in content
    assert "Authorize" in content
