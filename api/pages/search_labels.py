"""The lists that a search can be narrowed down with. Pure."""

from collections.abc import Callable, Iterable

import msgspec

from api.pages.search_form import SearchForm
from api.pages.search_view import LONGEST_CHANNEL, cut
from api.pages.wording import language_name
from retrieval.index.reading import Label
from retrieval.search.ranking import Mode
from retrieval.search.searcher import CatalogueLabels

MODES: dict[Mode, str] = {"hybrid": "Meaning and words", "semantic": "Meaning", "lexical": "Words"}

NO_LABELS = CatalogueLabels((), ())


class Option(msgspec.Struct, frozen=True):
    """One entry of a list, and whether it is chosen."""

    value: str
    label: str
    is_chosen: bool


class Filters(msgspec.Struct, frozen=True):
    """The lists of the form."""

    modes: tuple[Option, ...]
    channels: tuple[Option, ...]
    languages: tuple[Option, ...]


def describe_filters(labels: CatalogueLabels, form: SearchForm) -> Filters:
    """Make the lists: channels and languages by name, with counts. What is chosen is always there."""
    return Filters(
        tuple(Option(mode, name, mode == form.mode) for mode, name in MODES.items()),
        _options(labels.channels, form.channel, lambda channel: cut(channel, LONGEST_CHANNEL)),
        _options(labels.languages, form.language, language_name),
    )


def _options(labels: Iterable[Label], chosen: str, name: Callable[[str], str]) -> tuple[Option, ...]:
    options = [
        Option(label.value, f"{name(label.value)} ({label.videos:,})", label.value == chosen)
        for label in labels
    ]
    if chosen and not any(option.is_chosen for option in options):
        options.append(Option(chosen, name(chosen), is_chosen=True))
    return tuple(sorted(options, key=lambda option: option.label.casefold()))
