"""File names made of other names, so that every file system takes them."""

from __future__ import annotations

import re

LONGEST_NAME = 80
"""Letters of a name that are kept."""

_DEVICES = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}
"""Names that Windows keeps for devices, whatever their suffix."""


def safe_file_name(name: str, also: str = "") -> str:
    r"""A name that can stand in file names of any system.

    Args:
        name: Any text.
        also: Further characters that are replaced, beside control characters and ``<>:"|?*``.

    Example:
        >>> safe_file_name("a:b?"), safe_file_name("nul.x"), safe_file_name("a/b", "/")
        ('a_b_', 'nul.x_', 'a_b')
    """
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = re.sub(rf'[\x00-\x1f<>:"|?*{re.escape(also)}]', "_", name)[:LONGEST_NAME].strip(" .")
    return f"{name}_" if not name or name.casefold().split(".")[0] in _DEVICES else name


def unique_name(name: str, used: set[str]) -> str:
    """The name, with a number behind it where it is taken; names differ in more than capitals, as some systems need.

    Args:
        name: Wanted.
        used: Names that are taken, without capitals; the new one is added.

    Example:
        >>> unique_name("A", {"a", "a-2"})
        'A-3'
    """
    found, number = name, 1
    while found.casefold() in used:
        number += 1
        found = f"{name}-{number}"
    used.add(found.casefold())
    return found
