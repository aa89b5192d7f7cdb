"""One HTML page for words, tables and pictures: a single file that opens without a network and prints.

Nothing on it is fetched: the style is inline, pictures are data URIs, there is no script and no link but to the page itself.
Everything that comes in is text and is escaped.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lvef.core.serialization import printable


@dataclass(frozen=True, slots=True)
class Table:
    """A table of words and numbers.

    Attributes:
        header: One name a column.
        rows: As many cells a row as there are names.
        caption: A line over the table.

    Raises:
        ValueError: If a row is longer or shorter than the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def __post_init__(self) -> None:
        """Check the rows: a missing cell would move numbers under the wrong name."""
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"the table {self.caption or list(self.header)} has {len(self.header)} columns, "
                    f"but a row has {len(row)} cells: {list(row)}"
                )

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, and are aligned right."""
        return tuple(_is_numeric([row[column] for row in self.rows]) for column in range(len(self.header)))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and what it shows, in words for whoever does not see it.

    Attributes:
        png: The file's bytes.
        alt: The words.

    Raises:
        ValueError: If the bytes are no PNG.
    """

    png: bytes
    alt: str

    def __post_init__(self) -> None:
        """Check the first bytes: a browser shows an empty box for what it cannot read."""
        if self.png[:8] != b"\x89PNG\r\n\x1a\n" or len(self.png) < 24:
            raise ValueError(f"the picture {self.alt!r} is no PNG: it starts with {self.png[:8]!r}")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its title, its words, then its tables, then its pictures.

    Attributes:
        title: Named in the table of contents.
        text: Plain words; an empty line starts a new paragraph.
        tables: In their order.
        pictures: In their order.
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def page_html(heading: str, introduction: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        heading: Title of the page.
        introduction: Plain words under it; an empty line starts a new paragraph.
        sections: In their order; with two or more there is a table of contents.

    Returns:
        HTML, to be written as UTF-8. The same arguments give the same page.
    """
    contents = "".join(
        f'<li><a href="#part-{number}">{_text(section.title)}</a></li>\n'
        for number, section in enumerate(sections, 1)
    )
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_text(heading)}</h1>\n{_paragraphs(introduction)}",
        f'<nav aria-label="Contents">\n<ol>\n{contents}</ol>\n</nav>\n' if len(sections) > 1 else "",
        *(_section(number, section) for number, section in enumerate(sections, 1)),
        "</main>\n</body>\n</html>\n",
    ]
    return "".join(parts)


def _section(number: int, section: Section) -> str:
    tables = "".join(_table(table) for table in section.tables)
    pictures = "".join(_picture(picture) for picture in section.pictures)
    words = f'<h2 id="part-{number}">{_text(section.title)}</h2>\n{_paragraphs(section.text)}'
    return f'<section aria-labelledby="part-{number}">\n{words}{tables}{pictures}</section>\n'


def _table(table: Table) -> str:
    kinds = [' class="number"' if is_number else "" for is_number in table.numeric]
    head = "".join(
        f'<th scope="col"{kind}>{_text(name)}</th>' for kind, name in zip(kinds, table.header, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{_text(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>\n"
        for row in table.rows
    )
    caption = f"<caption>{_text(table.caption)}</caption>\n" if table.caption else ""
    # The frame can be reached with the keyboard, or nobody without a mouse could scroll it.
    return (
        f'<div class="frame" tabindex="0" role="region" aria-label="{_text(table.caption or "Table")}">\n<table>\n'
        f"{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


def _picture(picture: Picture) -> str:
    width, height = struct.unpack(">II", picture.png[16:24])
    data = b64encode(picture.png).decode("ascii")
    words = _text(picture.alt)
    return (
        f'<figure class="frame" tabindex="0" role="region" aria-label="{words}">\n'
        f'<img width="{width}" height="{height}" alt="{words}" src="data:image/png;base64,{data}">\n</figure>\n'
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_text(part.strip())}</p>\n" for part in re.split(r"\n\s*\n", text) if part.strip())


def _text(text: str) -> str:
    """Escaped, and without letters that no file can hold."""
    return escape("\n".join(printable(line) for line in text.splitlines()))


_NOTHING = {"", "-", "–", "—", "n/a", "nan", "none", "lost"}
_BESIDE_NUMBERS = {"to", "of", "e", "nan", "inf", "ml", "mm", "s", "ms", "h", "min", "points", "px", "mb"}


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, with signs, units and intervals, and nothing else."""
    told = [cell.strip().lower() for cell in cells if cell.strip().lower() not in _NOTHING]
    return bool(told) and all(
        re.match(r"[^\w(]{0,2}\d", cell) and set(re.findall(r"[^\W\d_]+", cell)) <= _BESIDE_NUMBERS
        for cell in told
    )


_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1b1f24;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 .6rem; padding-top: .6rem; border-top: 1px solid #d5dae0; }
p { margin: 0 0 .8rem; max-width: 46rem; white-space: pre-line; }
nav { margin: 1.2rem 0; padding: .6rem 1rem; background: #f4f6f8; border-radius: .4rem; }
nav ol { margin: 0; padding-left: 1.4rem; }
a { color: #005a8d; }
.frame { overflow-x: auto; max-width: 100%; margin: 1rem 0 1.4rem; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.35; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #d5dae0;
  overflow-wrap: normal; }
thead th { border-bottom: 2px solid #5d6670; vertical-align: bottom; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.number { white-space: normal; }
img { display: block; width: 100%; min-width: 38rem; max-width: 58rem; height: auto; }
@media print {
  main { max-width: none; padding: 0; }
  .frame { overflow: visible; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  thead { display: table-header-group; }
  table { font-size: 8pt; }
  img { min-width: 0; max-width: 100%; max-height: 24cm; width: auto; margin: 0 auto; }
  nav { background: none; border: 1px solid #d5dae0; }
}
"""
