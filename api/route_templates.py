"""Which of the app's routes an address belongs to, for requests that no router has seen or would take."""

import re
from collections.abc import Iterable

UNMATCHED = "unmatched"
"""What every address that belongs to no route is called."""

_PARAMETER = re.compile(r"\\{\w+\\}")


class RouteTemplates:
    """The templates of an app's routes, like `/v1/videos/{video_id}`."""

    def __init__(self, templates: Iterable[str]) -> None:
        """Know these templates. A parameter stands for one character or more, slashes too."""
        every = sorted(set(templates), key=len, reverse=True)
        self._plain = {template for template in every if "{" not in template}
        # The longest first: what one parameter matches holds all that its longer siblings do.
        self._others = [template for template in every if "{" in template]
        self._pattern = re.compile("|".join(f"({_pattern(template)})" for template in self._others) or "(?!)")

    def of(self, path: str) -> str:
        """Find the template of a path; UNMATCHED where there is none."""
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return path
        match = self._pattern.fullmatch(path)
        return self._others[match.lastindex - 1] if match and match.lastindex else UNMATCHED


def _pattern(template: str) -> str:
    return _PARAMETER.sub(".+", re.escape(template))
