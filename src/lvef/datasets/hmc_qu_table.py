"""The label tables of HMC-QU: xlsx with two header rows, or CSV copies with one, into the same records."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.terms import View
from lvef.datasets.files import read_csv_cells
from lvef.io.isolation import read_cells

SEGMENTS = {
    View.A4C: ("SEG3", "SEG9", "SEG14", "SEG16", "SEG12", "SEG6"),
    View.A2C: ("SEG4", "SEG10", "SEG15", "SEG13", "SEG7", "SEG1"),
}
"""Columns of the wall segments of each view, in the order of the tables. Source: the owners' A4C.xlsx and A2C.xlsx."""

REFERENCE, END, WALL, MATCH = "referenceframe", "endofcycle", "wall", "matchwitha2c"
"""Further columns, as `_title` writes them; WALL is any title with "wall" and "mask" in it."""

TICKS = {"ü": True, "û": False, "ã¼": True, "ã»": False}
"""Wingdings letters, lower case: a tick is u-umlaut, a cross u-circumflex; then the same after a wrong decoding."""

WORDS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
"""What hand-made copies write in place of the ticks."""

_NAME = re.compile(r"^es(\d+)(.*?)_(?:([24])ch|ch([24]))(?:_(\d+))?$")


@dataclass(frozen=True, slots=True)
class HmcName:
    """The parts of a recording's name.

    Attributes:
        key: Name without blanks, stars and case, always in the order ``4ch``: what files and rows are matched by.
        patient: ``ES`` with the digits as written, and what follows them before the view (``ES000100N``).
        number: The digits as written.
        view: A4C or A2C, or None where the name does not say.
        take: Last number of the name, or None.
        starred: Whether the name carries a star.
    """

    key: str
    patient: str
    number: str
    view: View | None
    take: int | None
    starred: bool


@dataclass(frozen=True, slots=True)
class HmcRow:
    """One row of a label table, cells as they stand.

    Attributes:
        line: Row of the sheet, counted from 1.
        recorded: Name as written.
        cells: Cells by column, see `SEGMENTS`, `REFERENCE`, `END`, `WALL` and `MATCH`.
    """

    line: int
    recorded: str
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class HmcTable:
    """A label table.

    Attributes:
        path: The file.
        rows: Rows with a name.
        missing: Columns that are expected in this view and not there.
        extra: Titles of unknown columns.
        nameless: Lines without a name that are not blank.
    """

    path: Path
    rows: tuple[HmcRow, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    nameless: tuple[int, ...]


def parse_name(recorded: str) -> HmcName:
    """Parse an irregular name.

    Args:
        recorded: For example ``ES0001 _4CH_1``, ``ES000100 N_4CH_1`` or ``ES00010_CH2_2*``.

    >>> parse_name("ES00010_CH2_2*").key
    'es00010_2ch_2'
    """
    starred = "*" in recorded
    plain = re.sub(r"[\s*]", "", recorded).lower()
    match = _NAME.match(plain)
    if match is None:
        return HmcName(plain, plain.upper(), "", None, None, starred)
    number, mark, first, second, take = match.groups()
    chambers = first or second
    mark = mark.strip("_")
    key = f"es{number}{mark}_{chambers}ch" + (f"_{int(take)}" if take else "")
    view = View.A4C if chambers == "4" else View.A2C
    return HmcName(key, f"ES{number}{mark.upper()}", number, view, int(take) if take else None, starred)


def read_hmc_table(path: Path, view: View) -> HmcTable:
    """Read ``A4C`` or ``A2C`` as xlsx or CSV.

    Args:
        path: The file.
        view: Which of the two, for the segments expected.

    Raises:
        DataError: The file is damaged, or has no column ECHO.
    """
    lines = _xlsx_lines(path) if path.suffix.lower() == ".xlsx" else read_csv_cells(path)[0]
    start = next((i for i, (_, cells) in enumerate(lines) if "echo" in map(_title, cells)), None)
    titles, body = ([], []) if start is None else _titles(lines[start:])
    if "echo" not in titles:
        raise DataError(
            f"{path}: has no column ECHO; the table of labels that comes with HMC-QU was expected: "
            "unpack the dataset again."
        )
    wanted = (*SEGMENTS[view], REFERENCE, END, *((WALL,) if view is View.A4C else ()))
    name_at = titles.index("echo")
    known = {"echo", MATCH, WALL, *wanted}
    extra = tuple(t for t in titles if t not in known and t)
    rows, nameless = [], []
    for line, cells in body:
        filled = [*cells, *[""] * (len(titles) - len(cells))]
        if not filled[name_at]:
            nameless.append(line)
            continue
        by_title = {t: c for t, c in zip(titles, filled, strict=False) if t in known and t != "echo"}
        rows.append(HmcRow(line, filled[name_at], by_title))
    return HmcTable(path, tuple(rows), tuple(w for w in wanted if w not in titles), extra, tuple(nameless))


def read_tick(cell: str) -> bool | None:
    """Whether a mark means yes, or None where it is neither a known yes nor a known no."""
    plain = unicodedata.normalize("NFC", cell.strip()).lower()
    return TICKS.get(plain, WORDS.get(plain))


def read_infarction(cell: str) -> bool | None:
    """Whether a label means infarction (``MI``) or none (``non-MI``), or None where it says neither."""
    plain = re.sub(r"[\s_-]", "", cell).lower()
    return {"mi": True, "nonmi": False}.get(plain)


def _xlsx_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Row number and cells as text of each row of the first sheet that is not blank."""
    rows = read_cells(path)
    lines = [(number, [_text(cell) for cell in cells]) for number, cells in enumerate(rows, 1)]
    return [(number, cells) for number, cells in lines if any(cells)]


def _titles(lines: list[tuple[int, list[str]]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Titles from one header row, or from two where the upper one only names groups of columns, and the rows below."""
    (_, upper), below = lines[0], lines[1:]
    under = [_title(cell) for cell in below[0][1]] if below else []
    two = any(re.fullmatch(r"SEG\d+", t) for t in under)
    width = max(len(upper), len(under))
    titles = [_title(cell) for cell in upper] + [""] * (width - len(upper))
    if two:
        # A merged cell holds its text in its first column only, so the lower row decides wherever it says something.
        titles = [low or high for low, high in zip([*under, *[""] * width], titles, strict=False)]
    return titles, below[1:] if two else below


def _title(cell: str) -> str:
    """A column's title without blanks and case; segments as ``SEG3``."""
    plain = re.sub(r"[^a-z0-9]", "", cell.lower())
    if segment := re.fullmatch(r"seg(?:ment)?0*(\d+)", plain):
        return f"SEG{segment[1]}"
    return WALL if "wall" in plain and ("mask" in plain or "truth" in plain) else plain


def _text(cell: object) -> str:
    """A cell as text; whole numbers without a decimal point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
