"""Colours, marks and font of every drawing of a measurement: reports, images, overlay video, notebook and page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

INK, SOFT, LINE = "#1b1f24", "#5d6670", "#d5dae0"
"""Colours of text, of secondary text, and of rules."""

ED_COLOUR, ES_COLOUR = "#0072b2", "#b84e00"
"""End-diastole and end-systole on white: blue and vermilion. Source: palette of Okabe and Ito, 2008; the vermilion is
darker, for a contrast of 4.5 on light grey too."""

ED_ON_BLACK, ES_ON_BLACK, CONTOUR_ON_BLACK = "#56b4e9", "#f0a01e", "#3cd7aa"
"""End-diastole, end-systole and the contours of all other frames on an echo: sky blue, orange, green."""

LIGHT = {
    "ink": INK,
    "soft": SOFT,
    "line": LINE,
    "page": "#ffffff",
    "ground": "#f3f5f7",
    "alert": "#b94700",
    "ed": ED_COLOUR,
    "es": ES_COLOUR,
    "chosen": "#dcf2ea",
    "chosen-text": "#00684c",
    "hatch": "#b9c1c9",
}
"""Colours on white by their names."""

DARK = {
    "ink": "#e9ecef",
    "soft": "#a3acb5",
    "line": "#3a4148",
    "page": "#14171a",
    "ground": "#1f2429",
    "alert": "#f0a01e",
    "ed": ED_ON_BLACK,
    "es": ES_ON_BLACK,
    "chosen": "#12382d",
    "chosen-text": "#5fd3ae",
    "hatch": "#59626b",
}
"""The same on black."""

PHASE_COLOURS = {"ED": ED_ON_BLACK, "ES": ES_ON_BLACK}
"""Colours of the phases on an echo."""

ON_BLACK = {"image-ed": ED_ON_BLACK, "image-es": ES_ON_BLACK, "image-contour": CONTOUR_ON_BLACK}
"""The same, and the contours of all other frames, by their names on the page."""

UNKNOWN_ON_BLACK = "#ffffff"
"""Contours and labels of a frame that is neither, and the long axis."""

PHASE_MARKS = {"ED": "v", "ES": "^"}
"""Triangles that point at the volume-time curve, down and up, as matplotlib calls them."""

DRAWING_LOCK = threading.Lock()
"""Held while text is drawn as pixels: fonts are not safe for threads."""


def css_variables(colours: Mapping[str, str]) -> str:
    """Colours as variables of CSS.

    Example:
        >>> css_variables({"ed": "#0072b2"})
        '--ed:#0072b2;'
    """
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0-255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@cache
def font_file(bold: bool = False) -> Path:
    """The font of all drawings, DejaVu Sans: it comes with matplotlib, which need not be loaded for it."""
    found = find_spec("matplotlib")
    assert found is not None and found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    return folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


def drawable(text: str) -> str:
    """The text with a box for every letter that matplotlib's font does not have (it would warn of each)."""
    if text.isascii():
        return text
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(c if font.get_char_index(ord(c)) else "□" for c in text)
