"""The page ``index.html`` of an evaluation, from the template ``templates/page.html``.

Everything that comes in is text and is escaped; the same report gives the same page.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from lvef.core.serialization import printable
from lvef.evaluation.report import Plot, Section

if TYPE_CHECKING:
    from jinja2 import Template


def render_page(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: Title of the page.
        introduction: Plain text under it; an empty line starts a new paragraph.
        sections: In their order; with two or more there is a table of contents.

    Returns:
        HTML, to be written as UTF-8.
    """
    shown = [
        {
            "title": section.title,
            "text": section.text,
            "tables": section.tables,
            "plots": [_plot(plot) for plot in section.plots],
        }
        for section in sections
    ]
    return _template().render(title=title, introduction=introduction, sections=shown)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lvef.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"clean": _clean, "paragraphs": _paragraphs}
    return environment.get_template("page.html")


def _plot(plot: Plot) -> dict[str, str | int]:
    width, height = struct.unpack(">II", plot.png[16:24])
    return {"alt": plot.alt, "width": width, "height": height, "data": b64encode(plot.png).decode("ascii")}


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _clean(text: str) -> str:
    """Without characters that no file can hold."""
    return "\n".join(printable(line) for line in text.splitlines())
