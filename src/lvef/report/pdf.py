"""The PDF report: one A4 page with vector lines and text that can be searched and copied."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout
from fpdf.fonts import FontFace

import lvef
from lvef.core.terms import Decision
from lvef.report.canvas import Points, Stroke, rectangle
from lvef.report.charts import INTERVAL_HEIGHT, draw_curve, draw_interval, draw_score
from lvef.report.content import ReportContent, TextTable, more_warnings
from lvef.report.images import EchoImage, draw_tracing
from lvef.report.style import LIGHT, font_file, rgb

FONT = "DejaVu"
"""The font; it is embedded."""

WIDTH_PT, HEIGHT_PT, MARGIN_PT = 595.28, 841.89, 36.0
"""Size and margin of the page."""

ROOM_PT = WIDTH_PT - 2 * MARGIN_PT
"""Width between the margins."""

_BODY, _SMALL, _LEADING, _ROW = 8.0, 7.0, 10.5, 11.0
_GAP, _COLUMN_GAP, _IMAGE_GAP = 14.0, 18.0, 8.0
_MIN_CURVE, _MAX_CURVE, _MIN_IMAGE = 122.0, 154.0, 92.0
_MOST_COLUMNS_BESIDE_TEXT = 6


def render_pdf(content: ReportContent, made_at: datetime.datetime) -> bytes:
    """Write the page.

    Args:
        content: What it says.
        made_at: Time of making, for the file's own record.

    Returns:
        The file; the same content and time give the same bytes.
    """
    with PdfPage() as page:
        page.pdf.set_title(f"Ejection fraction: {page.drawable(content.title)}")
        page.pdf.set_creator(f"lvef {lvef.__version__}")
        page.pdf.set_creation_date(made_at)
        _draw_page(page, content)
        return bytes(page.pdf.output())


class PdfPage:
    """One A4 page as a `lvef.report.canvas.Canvas`, in points, with wrapped text."""

    def __init__(self) -> None:
        self.pdf = FPDF(unit="pt", format="A4")
        self.pdf.set_auto_page_break(False)
        self.pdf.set_margin(MARGIN_PT)
        self.pdf.c_margin = 0.0
        self.pdf.add_font(FONT, "", font_file())
        self.pdf.add_font(FONT, "B", font_file(bold=True))
        self.pdf.set_font(FONT, "", _BODY)
        self.pdf.add_page()

    def __enter__(self) -> PdfPage:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the font files, which fpdf2 leaves open."""
        for font in self.pdf.fonts.values():
            font.ttfont.close()  # type: ignore[union-attr]

    def line(self, points: Points, stroke: Stroke) -> None:
        """See `lvef.report.canvas.Canvas`."""
        xy = [(float(x), float(y)) for x, y in np.asarray(points)]
        with self.pdf.local_context(stroke_opacity=stroke.alpha):
            self.pdf.set_draw_color(*_rgb(stroke.colour))
            self.pdf.set_line_width(stroke.width)
            self.pdf.set_dash_pattern(*stroke.dash[:2])
            # A single point would not be seen.
            xy = xy if len(xy) > 1 else [xy[0], (xy[0][0] + 0.5, xy[0][1])]
            self.pdf.polyline(xy, polygon=stroke.is_closed)

    def area(self, points: Points, colour: str, edge: str = "") -> None:
        """See `lvef.report.canvas.Canvas`."""
        with self.pdf.local_context():
            self.pdf.set_fill_color(*_rgb(colour))
            self.pdf.set_draw_color(*_rgb(edge or colour))
            self.pdf.set_line_width(0.5)
            xy = [(float(x), float(y)) for x, y in np.asarray(points)]
            self.pdf.polygon(xy, style="DF" if edge else "F")

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, align: float = 0
    ) -> None:
        """See `lvef.report.canvas.Canvas`."""
        if not text:
            return
        width = self.text_width(text, size, bold=bold)
        self.pdf.set_text_color(*_rgb(colour))
        self.pdf.text(x - align * width, y, self.drawable(text))

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """See `lvef.report.canvas.Canvas`."""
        self.pdf.set_font(FONT, "B" if bold else "", size)
        return float(self.pdf.get_string_width(self.drawable(text)))

    def drawable(self, text: str) -> str:
        """The text with a box for every character that the font does not have."""
        letters = self.pdf.fonts[f"{FONT.lower()}"].cmap  # type: ignore[union-attr]
        return "".join(c if ord(c) in letters else "□" for c in text)

    def wrap(
        self, text: str, width: float, size: float, *, bold: bool = False, most: int = 1000
    ) -> list[str]:
        """Break a text into lines that fit; the last of ``most`` lines ends with ``...`` where more would follow."""
        self.pdf.set_font(FONT, "B" if bold else "", size)
        lines = self.pdf.multi_cell(
            width, text=self.drawable(text), align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        assert isinstance(lines, list)
        if len(lines) > most:
            last = lines[most - 1]
            while last and self.pdf.get_string_width(f"{last} ...") > width:
                last = last[:-1]
            lines = [*lines[: most - 1], f"{last.rstrip()} ..."]
        return lines

    def lines(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        size: float,
        colour: str,
        *,
        leading: float,
        bold: bool = False,
    ) -> float:
        """Write lines below each other from the baseline ``y`` on; returns the baseline after the last."""
        for line in lines:
            self.text(x, y, line, size, colour, bold=bold)
            y += leading
        return y

    def rule(self, y: float) -> None:
        """Draw a thin line across the page."""
        self.line([(MARGIN_PT, y), (WIDTH_PT - MARGIN_PT, y)], Stroke("line", 0.6))


def _rgb(colour: str) -> tuple[int, int, int]:
    return rgb(LIGHT.get(colour, colour))


def _draw_page(page: PdfPage, content: ReportContent) -> None:
    y = _draw_heading(page, content)
    y = _draw_result(page, content, y)
    y = _draw_correction(page, content, y)
    foot = _draw_foot(page, content)
    # Images, then the curve, take the room that the rest leaves.
    has_curve = any(view.chart for view in content.views)
    note = page.wrap(content.image_note, ROOM_PT, _BODY, most=1) if content.image_note else []
    curve = _MIN_CURVE if has_curve else 0.0
    left = foot - y - _beats_height(page, content) - _warnings_height(page, content) - 16.0 * len(note)
    left -= curve + _GAP if has_curve else 0.0
    if images := [image for view in content.views for image in view.images]:
        tall, wide = images[0].pixels.shape
        height = min(max(left - _GAP, _MIN_IMAGE), _image_width(content) * float(tall) / float(wide))
        _draw_images(page, content, y, height)
        y += height + _GAP
        left -= height + _GAP
    if note:
        y = page.lines(MARGIN_PT, y + 4, note, _BODY, "soft", leading=12.0)
    if has_curve:
        curve = min(_MAX_CURVE, curve + max(left, 0.0))
        for (x, width), view in zip(_columns(len(content.views)), content.views, strict=True):
            if view.chart is not None:
                draw_curve(page, view.chart, (x, y, width, curve), _SMALL, view.name)
        y += curve + _GAP
    _draw_lists(page, content, y, foot)


def _draw_heading(page: PdfPage, content: ReportContent) -> float:
    y = MARGIN_PT + 8
    page.text(MARGIN_PT, y, "LEFT-VENTRICULAR EJECTION FRACTION", 7, "soft")
    title = content.title
    while page.text_width(title, 13, bold=True) > ROOM_PT:
        # The end of a file's name matters as much as its beginning.
        kept = max(len(title) - 6, 10) // 2
        title = f"{title[:kept].removesuffix(' ...')} ... {title[-kept:].removeprefix('... ')}"
    page.text(MARGIN_PT, y + 18, title, 13, "ink", bold=True)
    page.lines(MARGIN_PT, y + 32, page.wrap(content.facts, ROOM_PT, _BODY, most=1), _BODY, "soft", leading=0)
    page.rule(y + 41)
    return y + 41 + _GAP


def _draw_result(page: PdfPage, content: ReportContent, y: float) -> float:
    """The EF on the left, the values in two columns beside it."""
    x, width = MARGIN_PT, 152.0
    heading = page.wrap(content.label, width, _BODY, most=2)
    left = page.lines(x, y + 4, heading, _BODY, "soft", leading=_LEADING)
    page.text(x - 2, left + 32, content.ef, 42 if content.ef[:1].isdigit() else 30, "ink", bold=True)
    left = _draw_interval(page, content, x, left + 49, width) if content.bar else left + 49
    left = _draw_decision(page, content.decision, x, left, width)
    for label, text in content.second_opinion:
        colour = "alert" if content.is_apart else "ink"
        lines = page.wrap(f"{label}: {text}", width, _SMALL, most=3)
        left = page.lines(x, left, lines, _SMALL, colour, leading=9.0) + 3
    status = page.wrap(content.status, width, _BODY, bold=True, most=3)
    colour = "alert" if content.is_alert else "soft"
    left = page.lines(x, left, status, _BODY, colour, leading=_LEADING, bold=True)
    x, width = x + width + 20, ROOM_PT - width - 20
    middle, right = y + 4, y + 4
    if content.reason:
        reason = page.wrap(content.reason, width, 9, most=6)
        middle = page.lines(x, middle, reason, 9, "ink", leading=13) + 4
    else:
        width -= 146
        beside = x + width + 16
        for label, text in content.volumes:
            page.text(beside, right + 2, label, _BODY, "soft")
            page.text(WIDTH_PT - MARGIN_PT, right + 2, text, 11, "ink", bold=True, align=1.0)
            right += 17
        note = page.wrap(content.volume_note, 130, _BODY, most=6) if content.volume_note else []
        right = page.lines(beside, right, note, _BODY, "soft", leading=11.5)
        right = _draw_qualities(page, content, beside, right + 4, 130.0)
    for label, text in content.values:
        page.text(x, middle, label, _BODY, "soft")
        lines = page.wrap(text, width - 88, _BODY, most=2)
        middle = page.lines(x + 88, middle, lines, _BODY, "ink", leading=_LEADING) + 1
    if content.reason:
        middle = _draw_qualities(page, content, x, middle + 4, width)
    return max(left, middle, right) + 4


def _draw_interval(page: PdfPage, content: ReportContent, x: float, y: float, width: float) -> float:
    """The prediction interval in words, its bar, and the decision, below the EF."""
    assert content.bar is not None
    for label, text in content.interval:
        if content.bar.interval_percent is None:
            note = page.wrap(f"No prediction interval. {text}", width, _SMALL, most=3)
            y = page.lines(x, y, note, _SMALL, "soft", leading=9.5)
        else:
            page.text(x, y, text, 10, "ink", bold=True)
            page.text(x + page.text_width(text, 10, bold=True) + 5, y, f"({label})", _SMALL, "soft")
            y += _LEADING
    draw_interval(page, content.bar, x, y - 5, width - 6, _SMALL)
    return y + INTERVAL_HEIGHT * _SMALL + 5


def _draw_decision(page: PdfPage, decision: tuple[str, str], x: float, y: float, width: float) -> float:
    """The decision in a frame, and beside it what it asks of the reader."""
    word, rest = decision
    if word:
        colour = "ed" if word == Decision.ACCEPTED else "alert"
        wide = page.text_width(word, _BODY, bold=True)
        dash = () if word == Decision.ACCEPTED else (2.0, 1.5)
        page.line(rectangle(x, y - 8, wide + 10, 11), Stroke(colour, 0.9, dash=dash, is_closed=True))
        page.text(x + 5, y, word, _BODY, colour, bold=True)
        lines = page.wrap(rest, width - wide - 16, _SMALL, most=3) if rest else [""]
        y = page.lines(x + wide + 15, y, lines, _SMALL, "ink", leading=8.5) + 4
    return y


def _draw_qualities(page: PdfPage, content: ReportContent, x: float, y: float, width: float) -> float:
    """The image quality of each view: score, its bar, and what would help most."""
    for view in content.views:
        quality = view.quality
        if quality is None:
            continue
        label = f"{view.name} image" if view.name else "Image quality"
        text = f"{label}: {quality.text}" if quality.text else label
        y = page.lines(x, y, page.wrap(text, width, _BODY, most=2), _BODY, "soft", leading=_LEADING)
        if quality.score is not None:
            draw_score(page, quality.score, x, y - 6, min(130.0, width), 6.5)
            y += 11
        for sentence in quality.advice:
            lines = page.wrap(sentence, width, _SMALL, most=3)
            y = page.lines(x, y, lines, _SMALL, "ink", leading=9.0) + 1
        y += 4
    return y


def _draw_correction(page: PdfPage, content: ReportContent, y: float) -> float:
    """A band across the page: the reader's and the model's result, and what was changed."""
    correction = content.correction
    if correction is None:
        return y
    inset, table = 10.0, correction.table
    inner = ROOM_PT - 2 * inset
    is_beside = len(table.header) <= _MOST_COLUMNS_BESIDE_TEXT
    table_width, text_width = (268.0, inner - 286) if is_beside else (inner, inner)
    lines = page.wrap(correction.sentence, text_width, _BODY, most=4)
    lines += page.wrap(correction.note, text_width, _BODY, most=3) if correction.note else []
    x, top, table_height = MARGIN_PT + inset, y + 9, _ROW * (1 + len(table.rows)) + 2
    text_height = len(lines) * _LEADING
    height = 14 + (max(table_height, text_height) if is_beside else table_height + text_height + 4)
    page.area(rectangle(MARGIN_PT, y - 4, ROOM_PT, height), "ground")
    n = len(table.header) - 1
    ends = [x + 46 + (table_width - 46) * (i + 1) / n for i in range(n)]
    for number, row in enumerate((table.header, *table.rows)):
        colour, is_bold = ("ink" if number else "soft"), number == (table.strong or 0) + 1
        page.text(x, top + _ROW * number, row[0], _BODY, colour, bold=is_bold)
        for end, cell in zip(ends, row[1:], strict=True):
            page.text(end, top + _ROW * number, cell, _BODY, colour, bold=is_bold, align=1.0)
    page.line([(x, top + 3), (x + table_width, top + 3)], Stroke("line", 0.6))
    place = (x + table_width + 18, top) if is_beside else (x, top + table_height + 4)
    page.lines(*place, lines, _BODY, "ink", leading=_LEADING)
    return y + height + 6


def _image_width(content: ReportContent) -> float:
    places = 2 * len(content.views)
    return (ROOM_PT - _IMAGE_GAP * (places - 1)) / places


def _draw_images(page: PdfPage, content: ReportContent, y: float, height: float) -> None:
    width = _image_width(content)
    for number, view in enumerate(content.views):
        for place, image in enumerate(view.images):
            x = MARGIN_PT + (2 * number + place) * (width + _IMAGE_GAP)
            _draw_image(page, image, x, y, width, height)


def _draw_image(page: PdfPage, image: EchoImage, x: float, y: float, width: float, height: float) -> None:
    from PIL import Image

    page.area(rectangle(x, y, width, height), "#000000")
    tall, wide = image.pixels.shape
    scale = min(width / wide, height / tall)
    box = (x + (width - wide * scale) / 2, y + (height - tall * scale) / 2, wide * scale, tall * scale)
    page.pdf.image(Image.fromarray(image.pixels), *box)
    if image.tracing is not None:
        draw_tracing(page, image.tracing, box, image.colour, 1.3)
    wide = page.text_width(image.caption, _SMALL)
    with page.pdf.local_context(fill_opacity=0.6):
        page.area(rectangle(x + 4, y + 4, page.text_width(image.title, 11, bold=True) + 4, 14), "#000000")
        page.area(rectangle(x + width - 8 - wide, y + height - 15, wide + 4, 11), "#000000")
    page.text(x + 6, y + 15, image.title, 11, image.colour, bold=True)
    page.text(x + width - 6, y + height - 7, image.caption, _SMALL, "#ffffff", align=1.0)


def _columns(n: int) -> list[tuple[float, float]]:
    """Left edge and width of each of ``n`` columns."""
    width = (ROOM_PT - _COLUMN_GAP * (n - 1)) / n
    return [(MARGIN_PT + place * (width + _COLUMN_GAP), width) for place in range(n)]


def _beats_height(page: PdfPage, content: ReportContent) -> float:
    width = _columns(len(content.views))[0][1]
    tables = [view.beats for view in content.views if view.beats is not None]
    lines = [sum(map(len, _row_lines(page, table, width))) + bool(table.hidden) for table in tables]
    return max((_ROW * (1 + n) + 24 for n in lines), default=0.0)


def _column_widths(page: PdfPage, table: TextTable, width: float) -> list[float]:
    """Widths of the columns of numbers as wide as their text; the last one takes the rest."""
    columns = list(zip(table.header, *table.rows, strict=True))[:-1]
    widths = [max(page.text_width(cell, _SMALL, bold=True) for cell in column) + 9 for column in columns]
    return [*widths, max(width - sum(widths), 20.0)]


def _row_lines(page: PdfPage, table: TextTable, width: float) -> list[list[str]]:
    """The words of the last column of each line, on two lines at most."""
    last = _column_widths(page, table, width)[-1]
    return [page.wrap(row[-1], last - 4, _SMALL, most=2) for row in table.rows]


def _draw_table(page: PdfPage, table: TextTable, x: float, y: float, width: float, bottom: float) -> None:
    """Draw the beats; lines that do not fit above ``bottom`` are counted instead, never the strong one."""
    lines = _row_lines(page, table, width)
    kept = list(range(len(table.rows)))

    def hidden() -> int:
        return table.hidden + len(table.rows) - len(kept)

    while len(kept) > 1 and y + _ROW * (1 + sum(len(lines[i]) for i in kept) + bool(hidden())) > bottom:
        kept.remove(next(i for i in reversed(kept) if i != table.strong))
    page.pdf.set_xy(x, y)
    page.pdf.set_font(FONT, "", _SMALL)
    page.pdf.set_text_color(*_rgb("ink"))
    page.pdf.set_draw_color(*_rgb("line"))
    page.pdf.set_line_width(0.6)
    numbers = len(table.header) - 1
    with page.pdf.table(
        width=width,
        col_widths=tuple(_column_widths(page, table, width)),
        text_align=(*["RIGHT"] * numbers, "LEFT"),
        align="LEFT",
        line_height=_ROW,
        borders_layout=TableBordersLayout.SINGLE_TOP_LINE,
        headings_style=FontFace(color=_rgb("soft"), emphasis=""),
        padding=(0, 4),
    ) as drawn:
        drawn.row([page.drawable(name) for name in table.header])
        for index in kept:
            is_strong = index == table.strong
            fill = _rgb("chosen") if is_strong else None
            row = drawn.row(style=FontFace(emphasis="B" if is_strong else "", fill_color=fill))
            for cell in table.rows[index][:-1]:
                row.cell(page.drawable(cell))
            row.cell("\n".join(lines[index]), style=FontFace(emphasis="", fill_color=fill))
    if hidden():
        more = TextTable((), (), hidden=hidden()).more
        page.text(x + 4, page.pdf.get_y() + 8, more, _SMALL, "soft")


def _warnings_height(page: PdfPage, content: ReportContent) -> float:
    lines = [page.wrap(text, ROOM_PT - 9, _SMALL, most=2) for text in content.warnings]
    if not lines:
        return 0.0
    return 19 + 9.5 * (sum(map(len, lines)) + bool(content.hidden_warnings)) + 3 * len(lines)


def _draw_lists(page: PdfPage, content: ReportContent, y: float, foot: float) -> None:
    """Beats, then warnings; where the page is full, the beats leave room for some warnings."""
    least = min(66.0, 19 + 12.0 * len(content.warnings)) if content.warnings else 0.0
    for (x, width), view in zip(_columns(len(content.views)), content.views, strict=True):
        if view.beats is not None:
            page.text(x, y + 6, f"Beats {view.name}".strip(), _BODY, "ink", bold=True)
            _draw_table(page, view.beats, x, y + 11, width, foot - least)
    if not content.warnings:
        return
    y = min(y + _beats_height(page, content), foot - least)
    page.text(MARGIN_PT, y + 6, "Warnings", _BODY, "ink", bold=True)
    y, hidden = y + 19, content.hidden_warnings
    for place, text in enumerate(content.warnings):
        lines, rest = page.wrap(text, ROOM_PT - 9, _SMALL, most=2), len(content.warnings) - place
        closing = 9.5 if rest > 1 or hidden else 0.0
        if y + (len(lines) - 1) * 9.5 + closing > foot:
            hidden += rest
            break
        page.text(MARGIN_PT, y, "\u2022", _SMALL, "alert")
        y = page.lines(MARGIN_PT + 9, y, lines, _SMALL, "ink", leading=9.5) + 3
    page.text(MARGIN_PT + 9, y, more_warnings(hidden), _SMALL, "soft")


def _draw_foot(page: PdfPage, content: ReportContent) -> float:
    """How it was made, from the lower edge upwards; returns where it begins."""
    labels, leading = 48.0, 9.2
    lines = [(label, page.wrap(text, ROOM_PT - labels, _SMALL, most=2)) for label, text in content.method]
    y = HEIGHT_PT - MARGIN_PT - sum(len(text) for _, text in lines) * leading - 16
    top = y - 14
    page.rule(top)
    for label, text in lines:
        page.text(MARGIN_PT, y, label, _SMALL, "soft")
        y = page.lines(MARGIN_PT + labels, y, text, _SMALL, "ink", leading=leading)
    page.text(MARGIN_PT, HEIGHT_PT - MARGIN_PT - 2, content.disclaimer, _BODY, "ink", bold=True)
    return top - 6
