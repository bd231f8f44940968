"""Language tags, as people write them: `en`, `en-GB`, `EN_gb`."""


def matches_language(tag: str, wanted: str) -> bool:
    """Whether a tag is the wanted language or a variant of it: `en` matches `en-GB`, `en-GB` not `en`.

    Case does not matter, and an underscore counts as a hyphen.
    """
    own, asked = _normal(tag), _normal(wanted)
    return own == asked or own.startswith(f"{asked}-")


def _normal(tag: str) -> str:
    return tag.replace("_", "-").lower()
