"""What a mistyped name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name; empty where no known name resembles it.

    Example:
        >>> "no model camus-sge" + did_you_mean("camus-sge", ["camus-seg", "small-video"])
        'no model camus-sge; did you mean camus-seg?'
        >>> did_you_mean("xyz", ["camus-seg"])
        ''
    """
    # Loaded here: it takes longer than the rest of a short command.
    from difflib import get_close_matches

    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""
