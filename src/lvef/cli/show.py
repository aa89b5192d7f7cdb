"""Results, and models, as a short table on stdout or in full."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.padding import PaddingDimensions
from rich.table import Table

from lvef.core.fields import Shown, lines_of
from lvef.core.records import Measurement
from lvef.core.serialization import printable
from lvef.core.short_wording import first_note
from lvef.core.terms import VIEW, Status
from lvef.core.wording import DISCLAIMER, ef_interval_text, note_text, number_text, reason_text, status_text
from lvef.inference.card import COST, MARK, NOT_VALIDATED, CardMetric, external_ef_error, metric_text
from lvef.measure.decision import CAUTION_CODES
from lvef.measure.serializers import Row

MOST_ROWS = 60
"""Longer tables are cut: the rest is in ``results.csv``."""

COLUMNS = {
    "File": 0,
    "EF": 0,
    "EDV ml": 78,
    "ESV ml": 78,
    "Beats": 64,
    "Decision": 52,
    "Warning or reason": 0,
}
"""Columns of the table of several clips -> the narrowest terminal that has them."""

MIN_FILE, MIN_NOTE = 12, 13
"""Narrowest columns of file names and of warnings: the longest word of a warning is not broken."""

WIDE = 100
"""Width from which two spaces stand between columns."""

MIN_TWO_COLUMNS = 60
"""Narrowest terminal on which labels and texts are two columns."""

_PIPED_WIDTH = 120


def print_measurement(measurement: Measurement) -> None:
    """Print one result in full, as two columns."""
    m = measurement
    lines = [("File", printable(m.source)), ("EF", ef_interval_text(m)), ("Status", status_text(m))]
    if m.reason:
        lines.append(("Reason", reason_text(m)))
    lines += lines_of(m, Shown.TERMINAL)
    lines += [("Warning", note_text(notice.text)) for notice in m.notices]
    print_lines(lines)
    print_disclaimer()


def print_table(rows: Sequence[Row], out_dir: Path | None) -> None:
    """Print a line a clip, with the warning that matters most or the reason without an EF.

    Args:
        rows: Lines of ``results.csv``.
        out_dir: Folder of ``results.csv``, or None.
    """
    console = make_console()
    names = [name for name, width in COLUMNS.items() if console.width >= width]
    shown = rows[:MOST_ROWS]
    cells = [_cells(row, file) for row, file in zip(shown, _without_common_folder(shown), strict=True)]
    gap = 2 if console.width >= WIDE else 1
    widths = {name: max(len(name), *(len(cell[name]) for cell in cells)) for name in names}
    # A pipe has no width: there nothing is shortened.
    wanted = sum(widths[name] + gap for name in names) - gap
    console.width = console.width if sys.stdout.isatty() else max(console.width, wanted)
    widths["File"] = min(widths["File"], max(MIN_FILE, widths["File"] + console.width - wanted))
    left = console.width - sum(widths[name] + gap for name in names[:-1])
    table = make_table(padding=(0, gap, 0, 0))
    for name in names[:-1]:
        right = name in ("EDV ml", "ESV ml", "Beats")
        table.add_column(name, justify="right" if right else "left", no_wrap=True, width=widths[name])
    table.add_column(names[-1], overflow="fold", width=max(MIN_NOTE, min(widths[names[-1]], left)))
    for cell in cells:
        cell["File"] = _shortened(cell["File"], widths["File"], console)
        table.add_row(*(escape(cell[name]) for name in names))
    console.print(table)
    if len(rows) > MOST_ROWS:
        where = f": see {printable(str(out_dir / 'results.csv'))}" if out_dir is not None else ""
        console.print(f"and {len(rows) - MOST_ROWS} more{escape(where)}")
    print_disclaimer()


def make_table(*names: str, numbers: Sequence[str] = (), padding: PaddingDimensions = (0, 1)) -> Table:
    """A table without lines.

    Args:
        names: Of columns whose cells are not broken.
        numbers: The same, aligned to the right.
        padding: Of cells, as rich has it.
    """
    table = Table(box=None, pad_edge=False, padding=padding, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print labels and texts as two columns, on a narrow terminal one after the other; texts are folded between words."""
    console = make_console()
    if console.width < MIN_TWO_COLUMNS:
        for name, text in lines:
            console.print(escape(f"{name.strip()}: {text}" if name.strip() else text))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(escape(name), escape(text))
    console.print(table)


def print_disclaimer() -> None:
    """Print what the results are for."""
    make_console().print(DISCLAIMER, style="dim")


def make_console() -> Console:
    """A console on stdout, 120 columns wide where stdout is no terminal."""
    if sys.stdout.isatty():
        return Console(file=sys.stdout, highlight=False)
    # A pipe has no width: without this, rich would fold everything to 80 characters.
    return Console(file=cast(TextIO, _Stripped(sys.stdout)), width=_PIPED_WIDTH, highlight=False)


class _Stripped:
    """A stream without spaces at the ends of lines: rich fills the last column of a table with them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r" +$", "", text, flags=re.M))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._stream, name)


def _cells(row: Row, file: str) -> dict[str, str]:
    """The cells of a clip by column."""
    ef = _number(row, "ef_percent")
    if ef != "-":
        ef += " %"
    if row.get("ef_low_percent"):
        ef += f" ({_number(row, 'ef_low_percent')}-{_number(row, 'ef_high_percent')})"
    without = row["status"] in (Status.REFUSED, Status.FAILED)
    return {
        "File": file,
        "EF": ef,
        "EDV ml": _number(row, "edv_ml"),
        "ESV ml": _number(row, "esv_ml"),
        "Beats": "-" if without else row["beats"],
        "Decision": row["status"] if without else row.get("decision") or "-",
        "Warning or reason": first_note(row["reason_code"], row["warnings"], CAUTION_CODES),
    }


def _without_common_folder(rows: Sequence[Row]) -> list[str]:
    """The files without the folder that holds them all."""
    paths = [row["path"] for row in rows]
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120  keeps the text
    except ValueError:
        # Relative and absolute paths have no folder in common.
        return paths
    return [path[len(common) :].lstrip("/\\") if common else path for path in paths]


def _shortened(text: str, width: int, console: Console) -> str:
    """The end of a text that is too long: there stand what differs between files."""
    if len(text) <= width:
        return text
    dots = "…" if console.encoding.startswith("utf") else "..."
    return dots + text[len(text) - width + len(dots) :]


def _number(row: Row, column: str) -> str:
    return number_text(float(row.get(column) or "nan"))


Facts = Mapping[str, Any]
"""What `lvef.inference.card.card_facts` says of a model, with citation, size and number of parameters."""

NOT_EXTERNAL = "not validated externally"
"""In place of an error on other hospitals' clips."""


NO_EF = "measures no EF"
"""The same for a model that recognises views."""


def print_models(models: Sequence[Facts]) -> None:
    """Print a line a model: name, version, kind, EF error on other hospitals' clips, licence.

    Where a terminal is too narrow for a table, each model is a sentence.
    """
    rows = [(f"{m['name']} {m['version']}", m["kind"], _error(m), m["licence"]) for m in models]
    console = make_console()
    needed = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    if sum(needed) + len(needed) - 1 > console.width:
        for name, kind, error, licence in rows:
            what = f"external EF error {error}" if error[0].isdigit() else error
            console.print(escape(f"{name}: {kind}, {what}, {licence}"))
        return
    table = make_table("Model", "Kind", "External EF error", "Licence", padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def print_model(model: Facts) -> None:
    """Print all that the card of a model says."""
    print_lines(model_lines(model))


def model_lines(model: Facts) -> list[tuple[str, str]]:
    """Labels and texts of a model, external metrics before in-domain ones."""
    mark = f"{MARK}: " if model["experimental"] else ""
    lines = [(f"Model {model['name']}", f"{mark}{model['title']} (version {model['version']})")]
    if model["experimental"]:
        lines.append(("  Warning", model["experimental_text"]))
    lines += [
        ("  Kind", _size_of(model)),
        ("  Licence", model["licence"]),
        ("  Trained on", model["trained_on"]),
        ("  Cite", model["citation"]),
    ]
    for heading, key in (("External", "external"), ("In-domain", "figures")):
        figures = [CardMetric(**values) for values in model[key] if not values["name"].startswith(COST)]
        if key == "external" or figures:
            lines.append((f"  {heading}", "" if figures else NOT_VALIDATED))
        lines += [(f"    {figure.name}", metric_text(figure)) for figure in figures]
    return lines


def _error(model: Facts) -> str:
    if model["kind"] == VIEW:
        return NO_EF
    error = external_ef_error([CardMetric(**values) for values in model["external"]])
    text = NOT_EXTERNAL if error is None else f"{error.value:.1f} points"
    return f"{text}, {MARK}" if model["experimental"] else text


def _size_of(model: Facts) -> str:
    """Kind, size and number of parameters, as far as they are known."""
    parts = [model["kind"]]
    if model["size_mb"] is not None:
        parts.append(f"{model['size_mb']:.1f} MB")
    if isinstance(model["parameters"], int):
        parts.append(f"{model['parameters'] / 1e6:.2f} million parameters")
    return ", ".join(parts)
