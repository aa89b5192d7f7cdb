"""The EF and its prediction interval on the scale of the heart-failure ranges, and the image-quality score as a bar.

One drawing for every canvas: page, HTML report, PDF and summary.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from lvef.core.quality_wording import QUALITY_WORDS, quality_text
from lvef.core.records import ImageQuality, Measurement
from lvef.core.wording import ef_text, interval_text, models_disagree, number_text
from lvef.report.canvas import Canvas, Stroke

TICKS_PERCENT = (0, 40, 50, 100)
"""Ends of the heart-failure ranges. Source: 2021 universal definition of heart failure, see `lvef.geometry.categories`."""

INTERVAL_HEIGHT, SCORE_HEIGHT = 3.2, 1.2
"""Heights of the drawings in letter sizes."""

_RANGES = ((20.0, "reduced"), (72.0, "preserved"))
_DOT_POINTS = 28


@dataclass(frozen=True, slots=True)
class IntervalBar:
    """What the bar shows.

    Attributes:
        ef_percent: The EF.
        interval_percent: Both ends of its prediction interval, or None without one.
        other_percent: The EF of a second opinion, or None.
        alt: The bar in words.
    """

    ef_percent: float
    interval_percent: tuple[float, float] | None
    other_percent: float | None
    alt: str


def interval_bar(m: Measurement) -> IntervalBar | None:
    """The bar of a measurement; None without an EF."""
    if m.ef_percent is None or not math.isfinite(m.ef_percent):
        return None
    ends = None
    if m.ef_low_percent is not None and m.ef_high_percent is not None:
        ends = (m.ef_low_percent, m.ef_high_percent)
    other = None if m.second_opinion is None else m.second_opinion.ef_percent
    alt = f"EF {ef_text(m.ef_percent)} on a scale of 0 to 100 %"
    if ends is not None:
        level = number_text(100 * (m.interval_level or 0))
        alt += f", {level} % prediction interval {interval_text(m)}"
    if other is not None:
        alt += f", second opinion {ef_text(other)}" + (", models disagree" if models_disagree(m) else "")
    return IntervalBar(m.ef_percent, ends, other, f"{alt}; heart-failure ranges end at 40 and 50 %.")


def draw_interval(canvas: Canvas, bar: IntervalBar, x: float, y: float, width: float, size: float) -> None:
    """Draw the bar, `INTERVAL_HEIGHT` letters high.

    Args:
        canvas: On what.
        bar: What.
        x: Left edge.
        y: Upper edge.
        width: Of the whole.
        size: Of the letters.
    """
    # The dot of an EF of 0 or 100 stays inside.
    left, length, middle = x + 0.6 * size, width - 1.2 * size, y + 0.8 * size

    def at(percent: float) -> float:
        return left + length * min(max(percent, 0.0), 100.0) / 100

    half, gap = 0.38 * size, 0.06 * size
    for low, high in itertools.pairwise(TICKS_PERCENT):
        x0, x1 = at(low) + gap * (low > 0), at(high) - gap * (high < 100)
        canvas.area(
            [(x0, middle - half), (x1, middle - half), (x1, middle + half), (x0, middle + half)], "line"
        )
    if bar.interval_percent is not None:
        x0, x1 = map(at, bar.interval_percent)
        canvas.line([(x0, middle), (x1, middle)], Stroke("ink", 0.26 * size))
        for end in (x0, x1):
            canvas.line([(end, middle - 0.55 * size), (end, middle + 0.55 * size)], Stroke("ink", 0.2 * size))
    if bar.other_percent is not None:
        centre, reach = at(bar.other_percent), 0.62 * size
        corners = [
            (centre - reach, middle),
            (centre, middle - reach),
            (centre + reach, middle),
            (centre, middle + reach),
        ]
        canvas.area(corners, "page")
        canvas.line(corners, Stroke("es", 0.17 * size, is_closed=True))
    canvas.area(_circle(at(bar.ef_percent), middle, 0.6 * size), "page")
    canvas.area(_circle(at(bar.ef_percent), middle, 0.48 * size), "ed")
    baseline = y + 2.75 * size
    taken = []
    for tick in TICKS_PERCENT:
        text = str(tick)
        align = {0: 0.0, 100: 1.0}.get(tick, 0.5)
        canvas.text(at(tick), baseline, text, size, "soft", align=align)
        wide = canvas.text_width(text, size)
        taken.append((at(tick) - align * wide, at(tick) + (1 - align) * wide))
    for centre_percent, name in _RANGES:
        reach = canvas.text_width(name, size) / 2 + 0.2 * size
        centre = at(centre_percent)
        # A narrow bar names no ranges; the words above it do.
        if all(end <= centre - reach or start >= centre + reach for start, end in taken):
            canvas.text(centre, baseline, name, size, "soft", align=0.5)


def score_alt(quality: ImageQuality) -> str:
    """The bar of the score in words."""
    return f"Image quality {quality_text(quality)}"


def draw_score(canvas: Canvas, score: float, x: float, y: float, width: float, size: float) -> None:
    """Draw the image-quality score as a filled bar with ticks at its words' thresholds, `SCORE_HEIGHT` letters high.

    Args:
        canvas: On what.
        score: 0 to 1.
        x: Left edge.
        y: Upper edge.
        width: Of the whole.
        size: Of the letters around it.
    """
    top, low = y + 0.22 * size, y + 0.98 * size
    filled = x + width * min(max(score, 0.0), 1.0)
    canvas.area([(x, top), (x + width, top), (x + width, low), (x, low)], "line")
    canvas.area([(x, top), (filled, top), (filled, low), (x, low)], "ed")
    for least, _ in QUALITY_WORDS:
        if least > 0:
            tick = x + least * width
            canvas.line([(tick, y), (tick, y + SCORE_HEIGHT * size)], Stroke("page", 0.16 * size))


def _circle(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / _DOT_POINTS for i in range(_DOT_POINTS)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
