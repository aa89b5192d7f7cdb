"""The PDF report: one A4 page with vector lines and text that can be searched and copied."""

from __future__ import annotations

import datetime

import numpy as np
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

import lvef
from lvef.core.records import FrameArray
from lvef.report.canvas import Points, Stroke, rectangle
from lvef.report.charts import draw_curve
from lvef.report.content import ReportContent, TextTable
from lvef.report.layout import (
    BODY,
    LEADING,
    SMALL,
    draw_ef,
    draw_image,
    draw_lines,
    draw_qualities,
    draw_values,
    draw_warnings,
    fitting,
    warnings_height,
    wrap,
)
from lvef.report.style import LIGHT, font_file, rgb

FONT = "DejaVu"
"""The font; it is embedded."""

WIDTH_PT, HEIGHT_PT, MARGIN_PT = 595.28, 841.89, 36.0
"""Size and margin of the page."""

ROOM_PT = WIDTH_PT - 2 * MARGIN_PT
"""Width between the margins."""

_ROW, _GAP, _COLUMN_GAP, _IMAGE_GAP = 11.0, 14.0, 18.0, 8.0
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
        self.pdf.set_font(FONT, "", BODY)
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

    def image(self, pixels: FrameArray, x: float, y: float, width: float, height: float) -> None:
        """See `lvef.report.canvas.Page`."""
        from PIL import Image

        self.pdf.image(Image.fromarray(pixels), x, y, width, height)

    def shade(self, x: float, y: float, width: float, height: float) -> None:
        """See `lvef.report.canvas.Page`."""
        with self.pdf.local_context(fill_opacity=0.6):
            self.area(rectangle(x, y, width, height), "#000000")

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
    note = wrap(page, content.image_note, ROOM_PT, BODY, most=1) if content.image_note else []
    curve = _MIN_CURVE if has_curve else 0.0
    left = (
        foot - y - _beats_height(page, content) - warnings_height(page, content, ROOM_PT) - 16.0 * len(note)
    )
    left -= curve + _GAP if has_curve else 0.0
    if images := [image for view in content.views for image in view.images]:
        tall, wide = images[0].pixels.shape
        height = min(max(left - _GAP, _MIN_IMAGE), _image_width(content) * float(tall) / float(wide))
        _draw_images(page, content, y, height)
        y += height + _GAP
        left -= height + _GAP
    if note:
        y = draw_lines(page, MARGIN_PT, y + 4, note, BODY, "soft", leading=12.0)
    if has_curve:
        curve = min(_MAX_CURVE, curve + max(left, 0.0))
        for (x, width), view in zip(_columns(len(content.views)), content.views, strict=True):
            if view.chart is not None:
                draw_curve(page, view.chart, (x, y, width, curve), SMALL, view.name)
        y += curve + _GAP
    _draw_lists(page, content, y, foot)


def _draw_heading(page: PdfPage, content: ReportContent) -> float:
    y = MARGIN_PT + 8
    page.text(MARGIN_PT, y, "LEFT-VENTRICULAR EJECTION FRACTION", 7, "soft")
    title = fitting(page, content.title, ROOM_PT, 13, bold=True)
    page.text(MARGIN_PT, y + 18, title, 13, "ink", bold=True)
    draw_lines(
        page, MARGIN_PT, y + 32, wrap(page, content.facts, ROOM_PT, BODY, most=1), BODY, "soft", leading=0
    )
    page.rule(y + 41)
    return y + 41 + _GAP


def _draw_result(page: PdfPage, content: ReportContent, y: float) -> float:
    """The EF on the left, the values in two columns beside it."""
    x, width = MARGIN_PT, 152.0
    left = draw_ef(page, content, x, y + 4, width)
    x, width = x + width + 20, ROOM_PT - width - 20
    middle, right = y + 4, y + 4
    if content.reason:
        reason = wrap(page, content.reason, width, 9, most=6)
        middle = draw_lines(page, x, middle, reason, 9, "ink", leading=13) + 4
    else:
        width -= 146
        beside = x + width + 16
        for label, text in content.volumes:
            page.text(beside, right + 2, label, BODY, "soft")
            page.text(WIDTH_PT - MARGIN_PT, right + 2, text, 11, "ink", bold=True, align=1.0)
            right += 17
        note = wrap(page, content.volume_note, 130, BODY, most=6) if content.volume_note else []
        right = draw_lines(page, beside, right, note, BODY, "soft", leading=11.5)
        right = draw_qualities(page, content, beside, right + 4, 130.0)
    middle = draw_values(page, content.values, x, middle, width)
    if content.reason:
        middle = draw_qualities(page, content, x, middle + 4, width)
    return max(left, middle, right) + 4


def _draw_correction(page: PdfPage, content: ReportContent, y: float) -> float:
    """A band across the page: the reader's and the model's result, and what was changed."""
    correction = content.correction
    if correction is None:
        return y
    inset, table = 10.0, correction.table
    inner = ROOM_PT - 2 * inset
    is_beside = len(table.header) <= _MOST_COLUMNS_BESIDE_TEXT
    table_width, text_width = (268.0, inner - 286) if is_beside else (inner, inner)
    lines = wrap(page, correction.sentence, text_width, BODY, most=4)
    lines += wrap(page, correction.note, text_width, BODY, most=3) if correction.note else []
    x, top, table_height = MARGIN_PT + inset, y + 9, _ROW * (1 + len(table.rows)) + 2
    text_height = len(lines) * LEADING
    height = 14 + (max(table_height, text_height) if is_beside else table_height + text_height + 4)
    page.area(rectangle(MARGIN_PT, y - 4, ROOM_PT, height), "ground")
    n = len(table.header) - 1
    ends = [x + 46 + (table_width - 46) * (i + 1) / n for i in range(n)]
    for number, row in enumerate((table.header, *table.rows)):
        colour, is_bold = ("ink" if number else "soft"), number == (table.strong or 0) + 1
        page.text(x, top + _ROW * number, row[0], BODY, colour, bold=is_bold)
        for end, cell in zip(ends, row[1:], strict=True):
            page.text(end, top + _ROW * number, cell, BODY, colour, bold=is_bold, align=1.0)
    page.line([(x, top + 3), (x + table_width, top + 3)], Stroke("line", 0.6))
    place = (x + table_width + 18, top) if is_beside else (x, top + table_height + 4)
    draw_lines(page, *place, lines, BODY, "ink", leading=LEADING)
    return y + height + 6


def _image_width(content: ReportContent) -> float:
    places = 2 * len(content.views)
    return (ROOM_PT - _IMAGE_GAP * (places - 1)) / places


def _draw_images(page: PdfPage, content: ReportContent, y: float, height: float) -> None:
    width = _image_width(content)
    for number, view in enumerate(content.views):
        for place, image in enumerate(view.images):
            x = MARGIN_PT + (2 * number + place) * (width + _IMAGE_GAP)
            draw_image(page, image, x, y, width, height)


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
    widths = [max(page.text_width(cell, SMALL, bold=True) for cell in column) + 9 for column in columns]
    return [*widths, max(width - sum(widths), 20.0)]


def _row_lines(page: PdfPage, table: TextTable, width: float) -> list[list[str]]:
    """The words of the last column of each line, on two lines at most."""
    last = _column_widths(page, table, width)[-1]
    return [wrap(page, row[-1], last - 4, SMALL, most=2) for row in table.rows]


def _draw_table(page: PdfPage, table: TextTable, x: float, y: float, width: float, bottom: float) -> None:
    """Draw the beats; lines that do not fit above ``bottom`` are counted instead, never the strong one."""
    lines = _row_lines(page, table, width)
    kept = list(range(len(table.rows)))

    def hidden() -> int:
        return table.hidden + len(table.rows) - len(kept)

    while len(kept) > 1 and y + _ROW * (1 + sum(len(lines[i]) for i in kept) + bool(hidden())) > bottom:
        kept.remove(next(i for i in reversed(kept) if i != table.strong))
    page.pdf.set_xy(x, y)
    page.pdf.set_font(FONT, "", SMALL)
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
        page.text(x + 4, page.pdf.get_y() + 8, more, SMALL, "soft")


def _draw_lists(page: PdfPage, content: ReportContent, y: float, foot: float) -> None:
    """Beats, then warnings; where the page is full, the beats leave room for some warnings."""
    least = min(66.0, 19 + 12.0 * len(content.warnings)) if content.warnings else 0.0
    for (x, width), view in zip(_columns(len(content.views)), content.views, strict=True):
        if view.beats is not None:
            page.text(x, y + 6, f"Beats {view.name}".strip(), BODY, "ink", bold=True)
            _draw_table(page, view.beats, x, y + 11, width, foot - least)
    y = min(y + _beats_height(page, content), foot - least)
    draw_warnings(page, content, MARGIN_PT, y, ROOM_PT, foot)


def _draw_foot(page: PdfPage, content: ReportContent) -> float:
    """How it was made, from the lower edge upwards; returns where it begins."""
    labels, leading = 48.0, 9.2
    lines = [(label, wrap(page, text, ROOM_PT - labels, SMALL, most=2)) for label, text in content.method]
    y = HEIGHT_PT - MARGIN_PT - sum(len(text) for _, text in lines) * leading - 16
    top = y - 14
    page.rule(top)
    for label, text in lines:
        page.text(MARGIN_PT, y, label, SMALL, "soft")
        y = draw_lines(page, MARGIN_PT + labels, y, text, SMALL, "ink", leading=leading)
    page.text(MARGIN_PT, HEIGHT_PT - MARGIN_PT - 2, content.disclaimer, BODY, "ink", bold=True)
    return top - 6
