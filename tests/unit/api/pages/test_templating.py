from litestar import Litestar
from litestar.testing import TestClient


def test_browsers_revalidate_assets(client: TestClient[Litestar]) -> None:
    response = client.get("/app/assets/page.css")
    assert response.headers["content-type"].startswith("text/css")
    assert response.headers["cache-control"] == "no-cache"
