"""The search page in a browser: time from a keystroke to painted results, size, and requested hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from benchmarks.conditions import ROOT, Options, model_dir
from benchmarks.figures import Figure, MissingDataError, at_most, median_and_range, without_target
from tests.support.browser import started_browser
from tests.support.folders import passing_folder
from tests.support.processes import Ingest, running_api

TYPED = 30
LONGEST_MS = 150.0
MOST_BYTES = 60_000
QUERIES = ("telescope", "shellac", "sourdough starter", "back button focus", "flat tyre", "index scan")

# Measures from the input event to the first frame after the results of the typed text are in the page.
_MEASURE = """
([text, shown]) => new Promise((painted) => {
  const field = document.querySelector("#query");
  const results = document.querySelector("#results");
  let began;
  field.addEventListener("input", (event) => { began = event.timeStamp; }, { once: true, capture: true });
  new MutationObserver((_, observer) => {
    if (!results.querySelector("h1")?.textContent.includes(shown)) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => painted(performance.now() - began)));
  }).observe(results, { childList: true });
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
})
"""


def measure(options: Options) -> list[Figure]:
    """Type into the page of the sample catalogue. Raises MissingDataError if there is no browser."""
    del options
    try:
        with _page() as (page, address, asked):
            bytes_of = _bytes(page, address)
            times = _times(page, address)
    except pytest.skip.Exception as e:
        raise MissingDataError(str(e)) from None
    elsewhere = [url for url in asked if urlsplit(url).netloc != urlsplit(address).netloc]
    typing = (
        f"from the input event to the frame after the swap, with the debounce of 80 ms; median of {TYPED} on "
        "the sample catalogue; repeated queries are cached; headless Chromium on the same machine"
    )
    kinds = ", ".join(f"{kind} {size / 1000:.1f}" for kind, size in bytes_of.items())
    total = sum(bytes_of.values())
    return [
        at_most(
            "keystroke to painted results",
            median(times),
            LONGEST_MS,
            shown=f"{median_and_range(times, '.0f')} ms",
            asked="< 150 ms",
            conditions=typing,
        ),
        at_most(
            "size of a page of ten results with all its files",
            total,
            MOST_BYTES,
            shown=f"{total / 1000:.1f} kB",
            asked="< 60 kB",
            conditions=f"uncompressed; kB: {kinds}",
        ),
        at_most(
            "requests to other hosts before a click",
            len(elsewhere),
            0,
            shown=f"{len(elsewhere)}",
            asked="0",
            conditions=f"opening the page and {TYPED} searches",
        ),
        without_target(
            "requests to our host",
            len(asked) - len(elsewhere),
            shown=f"{len(asked) - len(elsewhere)}",
            conditions="",
        ),
    ]


@contextmanager
def _page() -> Iterator[tuple[Any, str, list[str]]]:
    """Serve the sample catalogue, and yield its page, its address and the list of requested URLs."""
    with passing_folder() as folder:
        ingest = Ingest(folder / "index", model_dir())
        ingest.done("sync", ROOT / "ingest" / "sample" / "catalogue.jsonl")
        with running_api(ingest.index_dir, ingest.model_dir) as api, started_browser() as browser:
            page = browser.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            yield page, api.address, asked


def _bytes(page: Any, address: str) -> dict[str, int]:
    """Load a page of results, and return the size of each kind of file."""
    answers: list[Any] = []

    def keep(answer: Any) -> None:
        answers.append(answer)

    page.on("response", keep)
    page.goto(f"{address}/app/search?query={quote(QUERIES[0])}", wait_until="networkidle")
    page.remove_listener("response", keep)
    sizes: dict[str, int] = {}
    for answer in answers:
        kind = answer.request.resource_type
        sizes[kind] = sizes.get(kind, 0) + len(answer.body())
    return sizes


def _times(page: Any, address: str) -> list[float]:
    page.goto(f"{address}/app")
    # The first round fills the result cache.
    texts = [QUERIES[number % len(QUERIES)] for number in range(len(QUERIES) + TYPED)]
    return [page.evaluate(_MEASURE, [text, text]) for text in texts][len(QUERIES) :]
