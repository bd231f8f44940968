"""Comparison of language tags as people and sites write them: `en`, `en-GB`, `EN_gb`, `zh-Hans` (pure).

A tag is BCP 47: a language, then optional script and region. Letter case is ignored, `_` counts as `-`.
"""

from collections.abc import Iterable, Sequence


def matches_language(language: str, wanted: str) -> bool:
    """Whether `language` is `wanted` or a variant of it: `en` matches `en-GB`, `en-GB` does not match `en`.

    This is the basic filtering of RFC 4647.
    """
    return f"{normalize_language(language)}-".startswith(f"{normalize_language(wanted)}-")


def is_same_language(language: str, wanted: str) -> bool:
    """Whether two tags are equal apart from letter case and the separator."""
    return normalize_language(language) == normalize_language(wanted)


def language_rank(language: str | None, wanted: Sequence[str], spoken: str | None = None) -> int:
    """Return the order in which captions in `language` are preferred; 0 is the best.

    First come the wanted languages in their order: each with its variants (`en` finds `en-GB`) and the
    language that it is a variant of (`en-GB` falls back to `en`). Then come other variants of a wanted
    language (`en-US` for `en-GB`), then the language that is spoken in the video, then every other one.
    Captions without a language count as being in the spoken one.
    """
    language = language or spoken
    if language is not None:
        for place, one in enumerate(wanted):
            if _is_related(language, one):
                return place
        if _shares_primary_tag(language, wanted):
            return len(wanted)
    is_spoken = language is None or (spoken is not None and _is_related(language, spoken))
    return len(wanted) + (1 if is_spoken else 2)


def _is_related(language: str, other: str) -> bool:
    return matches_language(language, other) or matches_language(other, language)


def _shares_primary_tag(language: str, others: Iterable[str]) -> bool:
    return _primary_tag(language) in map(_primary_tag, others)


def _primary_tag(language: str) -> str:
    return normalize_language(language).partition("-")[0]


def normalize_language(language: str) -> str:
    """Return a tag in the form that is compared: `EN_gb` is `en-gb`."""
    return language.strip().replace("_", "-").casefold()
