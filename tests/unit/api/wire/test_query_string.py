from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from api.wire.errors import InvalidParameterError
from api.wire.query_string import decode_component
from tests.unit.api.fakes import EchoSearcher


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_decodes_every_encoding(text: str) -> None:
    assert decode_component(quote_plus(text).replace("+", "%20").encode(), "query") == text


@given(st.binary())
def test_decodes_or_refuses_all_bytes(raw: bytes) -> None:
    try:
        text = decode_component(raw, "query")
    except InvalidParameterError:
        return
    assert "\x00" not in text
    text.encode()


@pytest.mark.parametrize(
    "value",
    ["%", "%2", "%zz", "100%", "%FF", "%C3", "%C3%28", "%ED%A0%80", "%ED%B0%80", "%C0%80", "%00", "a%00b"],
)
@pytest.mark.parametrize("route", ["/search?query=", "/v1/search?query=", "/v1/search?query=x&channel="])
def test_refuses_a_value_that_is_not_text(client: TestClient[Litestar], route: str, value: str) -> None:
    response = client.get(f"{route}{value}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid-parameter")
    assert response.json()["detail"].startswith(
        f"{route.rpartition('=')[0].rpartition('&')[2].rpartition('?')[2]}: "
    )


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("query=x&q=y", "'q' is not a parameter of this route"),
        ("query=x&Query=y", "'Query' is not a parameter of this route"),
        (f"query=x&{'n' * 32}=", f"'{'n' * 32}' is not a parameter of this route"),
        # Other text may be the query itself, so none of it is repeated.
        (f"query=x&{'n' * 33}=", "A parameter is unknown"),
        *(
            (f"query=x&{text}", "A parameter is unknown")
            for text in (
                "why+is+it+mushy",
                "%0A=1",
                "=1",
                ";a=1",
                "2x=1",
                "caf%C3%A9=1",
                "%EF%BD%81=1",
                "q%0A",
            )
        ),
    ],
)
def test_refuses_an_unknown_parameter_by_name(client: TestClient[Litestar], query: str, fault: str) -> None:
    problem = client.get(f"/search?{query}").json()
    assert problem["code"] == "unknown-parameter"
    assert problem["detail"] == f"{fault}. The parameters of this route: query."


def test_refuses_a_name_that_is_not_text(client: TestClient[Litestar]) -> None:
    problem = client.get("/search?query=x&%FF=1").json()
    assert (problem["code"], problem["detail"]) == ("invalid-parameter", "the query string: is not UTF-8.")


def test_refuses_a_parameter_given_twice(client: TestClient[Litestar]) -> None:
    assert client.get("/search?query=x&query=y").json()["detail"] == "query: is given more than once."


def test_names_a_missing_parameter(client: TestClient[Litestar]) -> None:
    assert client.get("/v1/search?limit=3").json()["detail"] == "query: is required."


@pytest.mark.parametrize("query", ["&query=x&&", "qu%65ry=x", "query=%78"])
def test_accepts_every_encoding_of_a_value(
    client: TestClient[Litestar], searcher: EchoSearcher, query: str
) -> None:
    assert client.get(f"/search?{query}").status_code == 200
    assert searcher.asked == [("classic", "x")]


def test_a_plus_is_a_blank_and_an_escaped_one_is_not(
    client: TestClient[Litestar], searcher: EchoSearcher
) -> None:
    client.get("/search?query=c%2B%2B+or+rust%26go")
    assert searcher.asked == [("classic", "c++ or rust&go")]
