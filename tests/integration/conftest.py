"""A small catalogue, synced once per run by the real command line, and the processes that serve it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from retrieval.text.onnx_encoder import OnnxEncoder
from tests.support.documents import WordEncoder, use_word_encoder, write_jsonl
from tests.support.folders import passing_folder
from tests.support.other_site import OtherSite, serving_site
from tests.support.processes import REPOSITORY, Api, Ingest, copied, running_api
from tests.support.qdrant_server import QdrantServer

LONG = " ".join(
    f"In part {part} we look at the {thing} of the engine and at what wears it out." * 4
    for part, thing in enumerate(["pistons", "valves", "gasket", "camshaft", "radiator", "oil pump"], 1)
)

ROWS: list[dict[str, object]] = [
    {"video_id": "tomato", "title": "Growing tomatoes", "transcript": "Plant them deep. Water them well."},
    {
        "video_id": "bread",
        "title": "Baking bread",
        "transcript": "Mix flour and water.",
        "channel": "Oven",
        "language": "en",
    },
    {"video_id": "engine", "title": "Inside an engine", "transcript": LONG},
    {"video_id": "bicycle", "title": "Fixing a flat bicycle tyre", "transcript": "n/a"},
    {
        "video_id": "stars",
        "title": "Finding Saturn",
        "cues": [
            {"start": 1.5, "end": 4.0, "text": "Point the telescope at the ecliptic."},
            {"start": 4.0, "end": 9.0, "text": "Its rings are seen at forty times magnification."},
        ],
    },
]


@pytest.fixture(scope="session")
def encoder(model_dir: Path) -> OnnxEncoder:
    return OnnxEncoder(model_dir, document_threads=2)


@pytest.fixture(scope="session")
def small_index(model_dir: Path) -> Iterator[tuple[Path, str]]:
    """An index of ROWS, and the output of the run that built it. Read-only."""
    with passing_folder() as folder:
        catalogue = write_jsonl(folder / "talks.jsonl", ROWS)
        ingest = Ingest(folder / "index", model_dir.resolve())
        yield ingest.index_dir, ingest.done("sync", catalogue)


@pytest.fixture(scope="session")
def small_api(small_index: tuple[Path, str], model_dir: Path) -> Iterator[Api]:
    """One API on the small index, for every test that only reads."""
    with running_api(small_index[0], model_dir.resolve()) as api:
        yield api


@pytest.fixture
def word_encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    return use_word_encoder(monkeypatch)


@pytest.fixture(scope="module")
def qdrant() -> Iterator[QdrantServer]:
    with QdrantServer() as server:
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    with passing_folder() as folder:
        yield folder


@pytest.fixture
def empty(folder: Path, model_dir: Path) -> Ingest:
    """The command line with no index yet."""
    return Ingest(folder / "index", model_dir.resolve())


@pytest.fixture
def ingest(folder: Path, small_index: tuple[Path, str], model_dir: Path) -> Ingest:
    """The command line on a copy of the small index."""
    return Ingest(copied(small_index[0], folder / "index"), model_dir.resolve())


@pytest.fixture
def catalogue(folder: Path) -> Path:
    """The file that the small index was built from."""
    return write_jsonl(folder / "talks.jsonl", ROWS)


@pytest.fixture(scope="session")
def sample_index(model_dir: Path) -> Iterator[Ingest]:
    """An index of the sample catalogue. Read-only."""
    with passing_folder() as folder:
        ingest = Ingest(folder / "index", model_dir.resolve())
        ingest.done("sync", REPOSITORY / "ingest" / "sample" / "catalogue.jsonl")
        yield ingest


@pytest.fixture(scope="session")
def other_site() -> Iterator[OtherSite]:
    """Another site, whose pages may search with `sample_api`."""
    with serving_site() as site:
        yield site


@pytest.fixture(scope="session")
def sample_api(sample_index: Ingest, other_site: OtherSite) -> Iterator[Api]:
    """A service on the sample catalogue, shared by tests that only read."""
    with running_api(sample_index.index_dir, sample_index.model_dir, CORS_ORIGINS=other_site.address) as api:
        yield api


# Once per module: Playwright runs an event loop in this thread, so no other test could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of one module."""
    from tests.support.browser import started_browser

    with started_browser() as browser:
        yield browser


@pytest.fixture
def look_at(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open pages of a service by its address, with Playwright options. Each page is checked at the end."""
    from tests.support.browser import watched_page

    screenshots: Path | None = request.config.getoption("--screenshots")
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield lambda address, **options: stack.enter_context(
            watched_page(browser, address, screenshots, options)
        )
