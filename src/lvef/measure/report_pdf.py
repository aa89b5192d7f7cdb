"""The page about a measurement as PDF: A4, vector lines, words that can be searched and copied."""

from __future__ import annotations

import datetime
import io
from typing import Any

import numpy as np

import lvef
from lvef.measure.drawing import DRAWING, ED_ON_BLACK, ES_ON_BLACK
from lvef.measure.report_parts import Pairs, Picture, ReportPage
from lvef.measure.report_pdf_curve import draw_curve
from lvef.measure.report_pdf_table import draw_table, table_height
from lvef.measure.report_sheet import (
    FONT,
    HEIGHT_PT,
    MARGIN_PT,
    WIDTH_PT,
    Sheet,
    shorten,
    shorten_middle,
    wrap,
)
from lvef.measure.summary_words import ALERT, INK, LINE, SOFT

GROUND = "#f3f5f7"
"""Behind the reader's correction."""

_ROOM = WIDTH_PT - 2 * MARGIN_PT
_GAP = 14.0
_BODY, _SMALL, _LEADING = 8.0, 7.0, 11.5
_CURVE_PT, _AXIS_PT = 108.0, 26.0
_LARGEST_PICTURE_PT, _SMALLEST_PICTURE_PT = 206.0, 110.0
_STYLE = {"pdf.fonttype": 42, "font.family": [FONT], "hatch.linewidth": 0.5, "path.simplify": False}


def draw_pdf(page: ReportPage, made_at: datetime.datetime | None = None) -> bytes:
    """Draw the page.

    Args:
        page: What it says.
        made_at: Time of making for the file's own record; none is written where None.

    Returns:
        The file. The same page gives the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    out = io.BytesIO()
    with DRAWING, mpl.rc_context(_STYLE):
        sheet = draw_sheet(page)
        canvas: Any = FigureCanvasPdf(sheet.figure)
        # No name of a person, and no clock but the one that was given.
        record = {
            "Title": f"Ejection fraction: {page.title}",
            "Creator": f"lvef {lvef.__version__}",
            "Producer": None,
            "CreationDate": made_at,
        }
        canvas.print_pdf(out, metadata=record)
    return out.getvalue()


def draw_sheet(page: ReportPage) -> Sheet:
    """Write the page on a sheet; `draw_pdf` holds the lock and the style for it."""
    sheet = Sheet()
    y = _draw_heading(sheet, page)
    y = _draw_answer(sheet, page, y)
    if page.correction is not None:
        y = _draw_correction(sheet, page, y)
    foot = _draw_foot(sheet, page)
    # The pictures take the room that the rest leaves.
    below = _height_below(page)
    curves = _CURVE_PT + _AXIS_PT + _GAP if any(view.curve for view in page.views) else 0.0
    notes = 16.0 if page.picture_note else 0.0
    left = foot - y - below - curves - notes - _GAP
    shown = any(view.pictures for view in page.views)
    if shown:
        height = min(max(left, _SMALLEST_PICTURE_PT), _LARGEST_PICTURE_PT)
        _draw_pictures(sheet, page, y, height)
        y += height + _GAP
    if page.picture_note:
        note = shorten(page.picture_note, _ROOM, _BODY)
        sheet.text(MARGIN_PT, y + 4, note, _BODY, SOFT)
        y += notes
    if curves:
        _draw_curves(sheet, page, y)
        y += curves
    _draw_lists(sheet, page, y, foot)
    return sheet


def _draw_heading(sheet: Sheet, page: ReportPage) -> float:
    y = MARGIN_PT + 8
    sheet.text(MARGIN_PT, y, "LEFT-VENTRICULAR EJECTION FRACTION", 7, SOFT)
    y += 18
    sheet.text(MARGIN_PT, y, shorten_middle(page.title, _ROOM, 13, bold=True), 13, INK, bold=True)
    y += 14
    sheet.text(MARGIN_PT, y, shorten(page.facts, _ROOM, _BODY), _BODY, SOFT)
    y += 9
    sheet.rule(y, LINE)
    return y + _GAP


def _draw_answer(sheet: Sheet, page: ReportPage, y: float) -> float:
    """The EF on the left, what follows from it in two columns beside it."""
    x, width = MARGIN_PT, 168.0
    left = sheet.lines(x, y + 4, wrap(page.answer_name, width, _BODY, most=2), _BODY, SOFT, leading=10.5)
    sheet.text(x - 2, left + 32, page.answer, 42 if page.answer[:1].isdigit() else 30, INK, bold=True)
    left = sheet.lines(
        x,
        left + 49,
        wrap(page.status, width, _BODY, bold=True, most=3),
        _BODY,
        ALERT if page.alert else SOFT,
        leading=10.5,
        bold=True,
    )
    middle_x, middle_w = x + width + 20, _ROOM - width - 20
    if page.reason:
        lines = wrap(page.reason, middle_w, 9, most=6)
        y_reason = sheet.lines(middle_x, y + 4, lines, 9, INK, leading=13)
        rest = page.categories + page.values
        return max(left, _draw_pairs(sheet, middle_x, y_reason + 4, middle_w, rest, 92)) + 4
    right_w = 138.0
    middle_w -= right_w + 16
    right_x = middle_x + middle_w + 16
    middle = _draw_pairs(sheet, middle_x, y + 4, middle_w, page.categories + page.values, 88)
    right = _draw_volumes(sheet, page, right_x, y + 4, right_w)
    return max(left, middle, right) + 4


def _draw_volumes(sheet: Sheet, page: ReportPage, x: float, y: float, width: float) -> float:
    for name, value in page.volumes:
        sheet.text(x, y + 2, name, _BODY, SOFT)
        sheet.text(x + width, y + 2, value, 11, INK, bold=True, right=True)
        y += 17
    if page.volume_note:
        y = sheet.lines(x, y, wrap(page.volume_note, width, _BODY, most=6), _BODY, SOFT, leading=_LEADING)
    return y


def _draw_pairs(sheet: Sheet, x: float, y: float, width: float, pairs: Pairs, names: float) -> float:
    for name, value in pairs:
        sheet.text(x, y, shorten(name, names - 4, _BODY), _BODY, SOFT)
        y = sheet.lines(
            x + names, y, wrap(value, width - names, _BODY, most=2) or [""], _BODY, INK, leading=10.5
        )
        y += _LEADING - 10.5
    return y


def _draw_correction(sheet: Sheet, page: ReportPage, y: float) -> float:
    """A band across the page: the reader's and the machine's answer, and what was changed."""
    correction = page.correction
    assert correction is not None
    table_w, words_x = 268.0, MARGIN_PT + 10 + 268 + 18
    words_w = WIDTH_PT - MARGIN_PT - 10 - words_x
    lines = wrap(correction.sentence, words_w, _BODY, most=3) + wrap(correction.note, words_w, _BODY, most=4)
    height = max(table_height(correction.table), len(lines) * 10.5) + 14
    sheet.box(MARGIN_PT, y - 4, _ROOM, height, GROUND)
    draw_table(sheet, MARGIN_PT + 10, y + 9, table_w, correction.table, even=True)
    sheet.lines(words_x, y + 9, lines, _BODY, INK, leading=10.5)
    return y + height + 6


def _draw_pictures(sheet: Sheet, page: ReportPage, y: float, height: float) -> None:
    pictures = [picture for view in page.views for picture in view.pictures]
    gap = 8.0
    places = max(2, 2 * len(page.views))
    width = (_ROOM - gap * (places - 1)) / places
    for place, picture in enumerate(pictures):
        _draw_picture(sheet, picture, MARGIN_PT + place * (width + gap), y, width, height)


def _draw_picture(sheet: Sheet, picture: Picture, x: float, y: float, width: float, height: float) -> None:
    from matplotlib.collections import LineCollection

    axes = sheet.axes(x, y, width, height)
    axes.set_facecolor("black")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    tall, wide = picture.pixels.shape
    # Where the place has another shape, the picture keeps its own and is cut at top and bottom, or framed in black.
    axes.imshow(
        picture.pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="none",
        extent=(0, wide, tall, 0),
        aspect="equal",
    )
    shape = width / height
    if wide / tall >= shape:
        shown_w, shown_h = float(wide), wide / shape
    else:
        shown_w, shown_h = tall * shape, float(tall)
    axes.set_xlim(wide / 2 - shown_w / 2, wide / 2 + shown_w / 2)
    axes.set_ylim(tall / 2 + shown_h / 2, tall / 2 - shown_h / 2)
    colour = {"ED": ED_ON_BLACK, "ES": ES_ON_BLACK}.get(picture.word, "white")
    if picture.outline is not None:
        size = np.array([wide, tall])
        chords, contour = picture.outline.chords * size, picture.outline.contour * size
        axes.add_collection(LineCollection(list(chords), colors=colour, linewidths=0.5, alpha=0.6))
        axes.plot(*np.vstack([contour, contour[:1]]).T, color=colour, lw=1.3)
        axes.plot(*(picture.outline.axis * size).T, color="white", lw=0.8, ls=(0, (4, 3)))
    sheet.text(x + 6, y + 15, picture.title, 11, colour, bold=True)
    sheet.text(x + width - 6, y + height - 6, picture.caption, _SMALL, "white", right=True)


def _draw_curves(sheet: Sheet, page: ReportPage, y: float) -> None:
    n = len(page.views)
    gap = 18.0
    width = (_ROOM - gap * (n - 1)) / n
    for place, view in enumerate(page.views):
        if view.curve is not None:
            x = MARGIN_PT + place * (width + gap)
            draw_curve(sheet, view.curve, view.name, (x + 32, y, width - 32, _CURVE_PT))


def _columns(page: ReportPage) -> list[tuple[float, float]]:
    """Left edge and width of each of the lists at the end of the page: a table of beats a view, then warnings."""
    tables = sum(view.beats is not None for view in page.views)
    if tables == 0:
        return [(MARGIN_PT, _ROOM)]
    if not page.warnings:
        shares = [1.0 / tables] * tables
    else:
        shares = [0.58, 0.42] if tables == 1 else [0.34, 0.34, 0.32]
    gap = 18.0
    room = _ROOM - gap * (len(shares) - 1)
    columns, x = [], MARGIN_PT
    for share in shares:
        columns.append((x, room * share))
        x += room * share + gap
    return columns


def _height_below(page: ReportPage) -> float:
    """Height that beats and warnings want."""
    columns = _columns(page)
    heights = [15 + table_height(view.beats, columns[0][1]) for view in page.views if view.beats is not None]
    if page.warnings:
        heights.append(15 + sum(len(lines) * 9.5 + 3 for lines in _warning_lines(page, columns[-1][1])))
    return min(max(heights, default=0.0), 176.0)


def _warning_lines(page: ReportPage, width: float) -> list[list[str]]:
    most = 3 if len(page.warnings) > 5 else 5
    lines = [wrap(text, width - 9, _SMALL, most=most) for text in page.warnings]
    return [*lines, [page.more_warnings]] if page.more_warnings else lines


def _draw_lists(sheet: Sheet, page: ReportPage, y: float, foot: float) -> None:
    columns = iter(_columns(page))
    for view in page.views:
        if view.beats is not None:
            x, width = next(columns)
            sheet.text(x, y + 6, f"Beats {view.name}".strip(), _BODY, INK, bold=True)
            draw_table(sheet, x, y + 19, width, view.beats, bottom=foot)
    if page.warnings:
        x, width = next(columns)
        sheet.text(x, y + 6, "Warnings", _BODY, INK, bold=True)
        _draw_warnings(sheet, page, x, y + 19, width, foot)


def _draw_warnings(sheet: Sheet, page: ReportPage, x: float, y: float, width: float, foot: float) -> None:
    """Those that fit; of the rest how many there are."""
    found = [wrap(text, width - 9, _SMALL, most=3 if len(page.warnings) > 5 else 5) for text in page.warnings]
    tail = page.more_warnings
    hidden = int(tail.split()[1]) if tail else 0
    for place, lines in enumerate(found):
        rest = len(found) - place
        height = len(lines) * 9.5
        last = rest == 1 and not hidden
        if y + height + (0 if last else 9.5) > foot:
            hidden += rest
            break
        sheet.text(x, y, "\u2022", _SMALL, ALERT)
        y = sheet.lines(x + 9, y, lines, _SMALL, INK, leading=9.5) + 3
    if hidden:
        sheet.text(x + 9, y, f"and {hidden} more, in measurement.json", _SMALL, SOFT)


def _draw_foot(sheet: Sheet, page: ReportPage) -> float:
    """How it was made, from the lower edge upwards; returns where it begins."""
    names, leading = 48.0, 9.2
    lines = [(name, wrap(value, _ROOM - names, _SMALL, most=2)) for name, value in page.made]
    height = sum(len(value) for _, value in lines) * leading
    y = HEIGHT_PT - MARGIN_PT - height - 16
    top = y - 14
    sheet.rule(top, LINE)
    for name, value in lines:
        sheet.text(MARGIN_PT, y, name, _SMALL, SOFT)
        y = sheet.lines(MARGIN_PT + names, y, value, _SMALL, INK, leading=leading)
    sheet.text(MARGIN_PT, HEIGHT_PT - MARGIN_PT - 2, page.disclaimer, _BODY, INK, bold=True)
    return top - 6
