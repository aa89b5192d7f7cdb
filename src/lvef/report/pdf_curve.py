"""The volume curve on the printed page."""

from __future__ import annotations

from typing import Any

from lvef.report.drawing import ED_COLOUR, ES_COLOUR
from lvef.report.page import Curve, Span
from lvef.report.sheet import Sheet, width_of
from lvef.report.summary_words import INK, LINE, SOFT

ANSWER_GROUND, LEFT_OUT_GROUND, HATCH = "#dcf2ea", "#eceff2", "#b9c1c9"
"""Behind the answer's beat; behind one that was left out, and its hatching."""

_SIZE = 7.0


def draw_curve(sheet: Sheet, curve: Curve, view: str, place: tuple[float, float, float, float]) -> None:
    """Draw the curve with its beats.

    Args:
        sheet: The page.
        curve: What to draw.
        view: Name of the view, for the axis; empty for none.
        place: x, y, width and height of the axes on the sheet, in points; the labels lie left of and below it.
    """
    x, y, width, height = place
    axes = sheet.axes(*place)
    (first, last), (bottom, top) = curve.times_s, curve.volumes
    axes.set_xlim(first, last)
    axes.set_ylim(bottom, top)
    axes.set_facecolor("none")
    for span in curve.spans:
        _draw_span(axes, span, width / (last - first))
    for piece in curve.pieces:
        axes.plot(
            piece[:, 0], piece[:, 1], color=INK, lw=1.1, zorder=3, marker="." if len(piece) == 1 else ""
        )
    for word, colour, sign in (("ED", ED_COLOUR, "v"), ("ES", ES_COLOUR, "^")):
        at = [(time, volume) for name, time, volume in curve.marks if name == word]
        if at:
            axes.scatter(
                *zip(*at, strict=True),
                s=26,
                marker=sign,
                color=colour,
                edgecolor="white",
                lw=0.6,
                zorder=4,
                clip_on=False,
            )
    axes.set_xticks(curve.time_ticks, [f"{t:g}" for t in curve.time_ticks])
    axes.set_yticks(curve.volume_ticks, [f"{v:g}" for v in curve.volume_ticks])
    axes.tick_params(labelsize=_SIZE, colors=SOFT, length=2.5, width=0.6, pad=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=LINE, linewidth=0.6)
    below = y + height + 22
    name = f"{view} {curve.unit}".strip()
    sheet.text(x - 32, below, name, _SIZE, SOFT)
    legend = x + width
    for word, colour in (("ES", ES_COLOUR), ("ED", ED_COLOUR)):
        sheet.text(legend, below, word, _SIZE, colour, bold=True, right=True)
        sign = "\u25b2" if word == "ES" else "\u25bc"
        sheet.text(legend - width_of(word, _SIZE, bold=True) - 2, below, sign, _SIZE - 1, colour, right=True)
        legend -= 30
    sheet.text(legend - 4, below, "time (s)", _SIZE, SOFT, right=True)


def _draw_span(axes: Any, span: Span, points_per_s: float) -> None:  # noqa: ANN401
    is_answer, left_out = span.kind == "answer", span.kind == "left out"
    if left_out:
        axes.axvspan(
            span.start_s, span.end_s, facecolor=LEFT_OUT_GROUND, edgecolor=HATCH, hatch="////", lw=0, zorder=0
        )
    elif is_answer:
        axes.axvspan(span.start_s, span.end_s, facecolor=ANSWER_GROUND, edgecolor="none", zorder=0)
    else:
        axes.axvline(span.start_s, color=LINE, lw=0.7, zorder=1)
    if (span.end_s - span.start_s) * points_per_s < width_of(span.label, _SIZE, bold=is_answer) + 4:
        return
    axes.text(
        (span.start_s + span.end_s) / 2,
        0.97,
        span.label,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="top",
        size=_SIZE,
        color=ANSWER_TEXT if is_answer else SOFT,
        weight="bold" if is_answer else "normal",
        bbox={"facecolor": LEFT_OUT_GROUND, "edgecolor": "none", "pad": 1} if left_out else None,
        parse_math=False,
    )


ANSWER_TEXT = "#00684c"
"""The answer's beat in words: the green of the palette, darker, so that small letters can be read."""
