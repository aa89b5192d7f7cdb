"""The page about a measurement as PDF: A4, vector lines, words that can be searched and copied."""

from __future__ import annotations

import datetime
import io
from typing import Any

import numpy as np

import lvef
from lvef.report.drawing import DRAWING, ED_ON_BLACK, ES_ON_BLACK
from lvef.report.page import Pairs, Picture, ReportPage, more_warnings
from lvef.report.pdf_curve import draw_curve
from lvef.report.pdf_table import draw_table, table_height
from lvef.report.sheet import (
    FONT,
    HEIGHT_PT,
    MARGIN_PT,
    WIDTH_PT,
    Sheet,
    shorten,
    shorten_middle,
    wrap,
)
from lvef.report.summary_words import ALERT, INK, LINE, SOFT

GROUND = "#f3f5f7"
"""Behind the reader's correction."""

_ROOM = WIDTH_PT - 2 * MARGIN_PT
_GAP = 14.0
_BODY, _SMALL, _LEADING = 8.0, 7.0, 11.5
_SMALLEST_CURVE_PT, _LARGEST_CURVE_PT, _AXIS_PT = 96.0, 128.0, 26.0
_SMALLEST_PICTURE_PT = 140.0
_PICTURE_GAP, _COLUMN_GAP = 8.0, 18.0
_COLUMNS_BESIDE_WORDS = 6
_MOST_LINES_OF_A_WARNING, _WARNING_LEADING = 2, 9.5
_STYLE: Any = {"pdf.fonttype": 42, "font.family": [FONT], "hatch.linewidth": 0.5, "path.simplify": False}


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
    # Pictures, then the curve, take the room that the rest leaves.
    notes = 16.0 if page.picture_note else 0.0
    with_curve = any(view.curve for view in page.views)
    curve = _SMALLEST_CURVE_PT if with_curve else 0.0
    left = foot - y - _height_of_lists(page) - notes - ((curve + _AXIS_PT + _GAP) if with_curve else 0.0)
    if any(view.pictures for view in page.views):
        height = min(max(left - _GAP, _SMALLEST_PICTURE_PT), _largest_picture(page))
        _draw_pictures(sheet, page, y, height)
        y += height + _GAP
        left -= height + _GAP
    if page.picture_note:
        y = sheet.lines(
            MARGIN_PT, y + 4, wrap(page.picture_note, _ROOM, _BODY, most=1), _BODY, SOFT, leading=notes - 4
        )
    if with_curve:
        curve += min(max(left, 0.0), _LARGEST_CURVE_PT - _SMALLEST_CURVE_PT)
        _draw_curves(sheet, page, y, curve)
        y += curve + _AXIS_PT + _GAP
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
    x, width = MARGIN_PT, 152.0
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
    right_w = 118.0
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
    inset, table = 10.0, correction.table
    beside = len(table.header) <= _COLUMNS_BESIDE_WORDS
    inner = _ROOM - 2 * inset
    table_w, words_w = (268.0, inner - 268 - 18) if beside else (inner, inner)
    lines = [
        *wrap(correction.sentence, words_w, _BODY, most=4),
        *wrap(correction.note, words_w, _BODY, most=3),
    ]
    x, top, table_h = MARGIN_PT + inset, y + 9, table_height(table)
    words_h = len(lines) * 10.5
    height = (max(table_h, words_h) if beside else table_h + words_h + 4) + 14
    sheet.box(MARGIN_PT, y - 4, _ROOM, height, GROUND)
    draw_table(sheet, x, top, table_w, table, even=True)
    words = (x + table_w + 18, top) if beside else (x, top + table_h + 4)
    sheet.lines(*words, lines, _BODY, INK, leading=10.5)
    return y + height + 6


def _picture_width(page: ReportPage) -> float:
    places = 2 * len(page.views)
    return (_ROOM - _PICTURE_GAP * (places - 1)) / places


def _largest_picture(page: ReportPage) -> float:
    """Height at which a picture fills its place, in points."""
    tall, wide = next(picture.pixels.shape for view in page.views for picture in view.pictures)
    return _picture_width(page) * float(tall) / float(wide)


def _draw_pictures(sheet: Sheet, page: ReportPage, y: float, height: float) -> None:
    width = _picture_width(page)
    for number, view in enumerate(page.views):
        for place, picture in enumerate(view.pictures):
            x = MARGIN_PT + (2 * number + place) * (width + _PICTURE_GAP)
            _draw_picture(sheet, picture, x, y, width, height)


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
    for words, place, points, ink, ends in (
        (picture.title, (6, height - 6), 11, colour, ("left", "top")),
        (picture.caption, (width - 6, 6), _SMALL, "white", ("right", "bottom")),
    ):
        if words:
            axes.text(
                place[0] / width, place[1] / height, words, transform=axes.transAxes, color=ink, size=points,
                weight="bold" if points > _BODY else "normal", ha=ends[0], va=ends[1], parse_math=False,
                bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 2},
            )  # fmt: skip


def _draw_curves(sheet: Sheet, page: ReportPage, y: float, height: float) -> None:
    for (x, width), view in zip(_columns(len(page.views)), page.views, strict=True):
        if view.curve is not None:
            draw_curve(sheet, view.curve, view.name, (x + 32, y, width - 32, height))


def _columns(n: int) -> list[tuple[float, float]]:
    """Left edge and width of each of ``n`` columns."""
    width = (_ROOM - _COLUMN_GAP * (n - 1)) / n
    return [(MARGIN_PT + place * (width + _COLUMN_GAP), width) for place in range(n)]


def _height_of_beats(page: ReportPage) -> float:
    width = _columns(len(page.views))[0][1]
    heights = [table_height(view.beats, width) + 22 for view in page.views if view.beats is not None]
    return max(heights, default=0.0)


def _height_of_lists(page: ReportPage) -> float:
    """Height that beats and warnings want, in points."""
    lines = sum(len(found) for found in _warning_lines(page)) + bool(page.hidden_warnings)
    gaps = 3 * len(page.warnings)
    return _height_of_beats(page) + (19 + lines * _WARNING_LEADING + gaps if page.warnings else 0.0)


def _warning_lines(page: ReportPage) -> list[list[str]]:
    return [wrap(text, _ROOM - 9, _SMALL, most=_MOST_LINES_OF_A_WARNING) for text in page.warnings]


def _draw_lists(sheet: Sheet, page: ReportPage, y: float, foot: float) -> None:
    """Beats, then warnings; where the page is full, the beats leave room for some warnings."""
    least = min(66.0, 19 + 12 * len(page.warnings)) if page.warnings else 0.0
    for (x, width), view in zip(_columns(len(page.views)), page.views, strict=True):
        if view.beats is not None:
            sheet.text(x, y + 6, f"Beats {view.name}".strip(), _BODY, INK, bold=True)
            draw_table(sheet, x, y + 19, width, view.beats, bottom=foot - least - _LEADING if least else foot)
    if page.warnings:
        y = min(y + _height_of_beats(page), foot - least)
        sheet.text(MARGIN_PT, y + 6, "Warnings", _BODY, INK, bold=True)
        _draw_warnings(sheet, page, y + 19, foot)


def _draw_warnings(sheet: Sheet, page: ReportPage, y: float, foot: float) -> None:
    """Those that fit; of the rest how many there are."""
    found = _warning_lines(page)
    hidden = page.hidden_warnings
    for place, lines in enumerate(found):
        rest = len(found) - place
        closing = _WARNING_LEADING if rest > 1 or hidden else 0.0
        if y + (len(lines) - 1) * _WARNING_LEADING + closing > foot:
            hidden += rest
            break
        sheet.text(MARGIN_PT, y, "\u2022", _SMALL, ALERT)
        y = sheet.lines(MARGIN_PT + 9, y, lines, _SMALL, INK, leading=_WARNING_LEADING) + 3
    if hidden:
        sheet.text(MARGIN_PT + 9, y, more_warnings(hidden), _SMALL, SOFT)


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
