"""Charts: volume-time curve, EF on the scale of the heart-failure ranges, image-quality score.

What each shows is decided once, and there is one drawing of it for every canvas: page, HTML report, PDF and summary.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from lvef.core.quality_wording import QUALITY_WORDS, quality_text
from lvef.core.records import Beat, FloatArray, ImageQuality, Measurement
from lvef.core.wording import ef_text, interval_text, models_disagree, number_text
from lvef.report.canvas import Canvas, Stroke, rectangle
from lvef.report.style import PHASE_MARKS

MOST_TIME_TICKS, MOST_VOLUME_TICKS = 8, 5
"""Most labels on the axes."""

MARGINS = (3.6, 0.6, 0.5, 4.0)
"""Room left, right, above and below the plot for the axes' labels, in letter sizes."""

Box = tuple[float, float, float, float]
"""x, y, width and height."""

_HATCH = 6.0
_MARK = 0.42


@dataclass(frozen=True, slots=True)
class Span:
    """A beat on the curve.

    Attributes:
        start_s: Its beginning.
        end_s: Its end.
        kind: ``shown``, ``counted`` or ``excluded``.
        label: Its EF, or that it is excluded.
    """

    start_s: float
    end_s: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class CurveChart:
    """A volume-time curve.

    Attributes:
        pieces: ``(k, 2)`` of time and volume; a gap in the curve begins a new piece.
        spans: The beats.
        marks: ``(phase, time, volume)`` of the EDs and ESs.
        unit: Name of the vertical axis.
        times_s: First and last time.
        volumes: Lower and upper end of the vertical axis.
        alt: The chart in words.
    """

    pieces: tuple[FloatArray, ...]
    spans: tuple[Span, ...]
    marks: tuple[tuple[str, float, float], ...]
    unit: str
    times_s: tuple[float, float]
    volumes: tuple[float, float]
    alt: str


def has_curve(measurement: Measurement) -> bool:
    """Whether there is a curve worth drawing: two stills have volumes, but no time between them."""
    curve = measurement.curve
    return curve is not None and len(curve.volume) > 2 and bool(np.isfinite(curve.volume).any())


def curve_values(measurement: Measurement) -> FloatArray:
    """The volumes ``(n,)`` as they are drawn: ml, or per cent of the shown ED where there is no scale.

    Args:
        measurement: One that has a curve.
    """
    curve, ed = measurement.curve, measurement.ed_frame
    assert curve is not None
    if measurement.volume_unit == "ml":
        return curve.volume
    # Without a scale only the shape means something.
    reference = float(curve.volume[ed]) if ed is not None and ed < len(curve.volume) else math.nan
    if not (math.isfinite(reference) and reference > 0):
        reference = float(np.nanmax(curve.volume)) if np.isfinite(curve.volume).any() else 1.0
    return np.asarray(100 * curve.volume / (reference or 1.0), dtype=np.float64)


def marked_frames(measurement: Measurement) -> dict[int, str]:
    """Phase of the ED and ES frames of all beats that are not excluded, and of the shown ones."""
    marks: dict[int, str] = {}
    for beat in measurement.beats:
        if not beat.excluded:
            marks |= {beat.es_frame: "ES", beat.ed_frame: "ED"}
    for frame, phase in ((measurement.es_frame, "ES"), (measurement.ed_frame, "ED")):
        if frame is not None:
            marks[frame] = phase
    return marks


def chart_of(m: Measurement) -> CurveChart | None:
    """The chart of a measurement, or None where there is no curve worth drawing."""
    if not has_curve(m):
        return None
    assert m.curve is not None
    times, volumes = m.curve.times_s, curve_values(m)
    low, high = float(np.nanmin(volumes)), float(np.nanmax(volumes))
    room = (high - low) or max(high, 1.0)
    first, last = float(times[0]), max(float(times[-1]), float(times[0]) + 1e-3)
    unit = "LV volume (ml)" if m.volume_unit == "ml" else "LV volume (% of ED)"
    beats = f"{len(m.beats)} {'beat' if len(m.beats) == 1 else 'beats'}"
    return CurveChart(
        pieces=_pieces_of(times, volumes),
        spans=tuple(
            _span(m, beat, times)
            for beat in m.beats
            if all(0 <= at < len(times) for at in (beat.ed_frame, beat.es_frame, beat.last_frame))
        ),
        marks=tuple(
            (phase, float(times[frame]), float(volumes[frame]))
            for frame, phase in sorted(marked_frames(m).items())
            if frame < len(times) and math.isfinite(volumes[frame])
        ),
        unit=unit,
        times_s=(first, last),
        # The top is kept free for the beats' labels.
        volumes=(max(0.0, low - 0.12 * room), high + 0.34 * room),
        alt=f"Curve of the {unit} over {last - first:.2f} s: from {high:.0f} down to {low:.0f}, {beats} marked.",
    )


def draw_curve(canvas: Canvas, chart: CurveChart, box: Box, size: float, view: str = "") -> None:
    """Draw a chart with axes and legend.

    Args:
        canvas: On what.
        chart: What.
        box: x, y, width and height, labels included.
        size: Of letters.
        view: Name of the view, for the axis; empty for none.
    """
    x0, y0, width, height = box
    left, right, above, below = (margin * size for margin in MARGINS)
    plot = (x0 + left, y0 + above, width - left - right, height - above - below)
    for span in chart.spans:
        _draw_span(canvas, chart, span, plot, size)
    px, py, pw, floor = *plot[:3], plot[1] + plot[3]
    canvas.line([(px, py), (px, floor), (px + pw, floor)], Stroke("line", 0.1 * size))
    for tick in ticks(*chart.times_s, MOST_TIME_TICKS):
        x = _x(chart, plot, tick)
        canvas.line([(x, floor), (x, floor + 0.35 * size)], Stroke("line", 0.1 * size))
        canvas.text(x, floor + 1.5 * size, f"{tick:g}", size, "soft", align=0.5)
    bottom, top = chart.volumes
    # No label beside those of the beats.
    for tick in ticks(bottom, top - 0.2 * (top - bottom), MOST_VOLUME_TICKS):
        y = _y(chart, plot, tick)
        canvas.line([(px, y), (px - 0.35 * size, y)], Stroke("line", 0.1 * size))
        canvas.text(px - 0.7 * size, y + 0.35 * size, f"{tick:g}", size, "soft", align=1.0)
    _draw_lines(canvas, chart, plot, size)
    baseline = y0 + height - 0.5 * size
    canvas.text(x0, baseline, f"{view} {chart.unit}".strip(), size, "soft")
    end = px + pw
    for phase in ("ES", "ED") if chart.marks else ():
        canvas.text(end, baseline, phase, size, phase.lower(), bold=True, align=1.0)
        end -= canvas.text_width(phase, size, bold=True) + 0.8 * size
        _draw_mark(canvas, phase, end, baseline - 0.35 * size, size)
        end -= 1.2 * size
    canvas.text(end, baseline, "time (s)", size, "soft", align=1.0)


def draw_plot(canvas: Canvas, chart: CurveChart, plot: Box, size: float) -> None:
    """Draw beats, curves and marks without axes.

    Args:
        canvas: On what.
        chart: What.
        plot: x, y, width and height.
        size: Of letters.
    """
    for span in chart.spans:
        _draw_span(canvas, chart, span, plot, size)
    _draw_lines(canvas, chart, plot, size)


def _draw_lines(canvas: Canvas, chart: CurveChart, plot: Box, size: float) -> None:
    for piece in chart.pieces:
        points = [(_x(chart, plot, time), _y(chart, plot, volume)) for time, volume in piece.tolist()]
        canvas.line(points, Stroke("ink", 0.15 * size))
    for phase, time, volume in chart.marks:
        _draw_mark(canvas, phase, _x(chart, plot, time), _y(chart, plot, volume), size)


def _pieces_of(times_s: FloatArray, volumes: FloatArray) -> tuple[FloatArray, ...]:
    """A curve in pieces ``(k, 2)``: a gap stays a gap."""
    points = np.stack([times_s, volumes], axis=1)
    seen = np.isfinite(volumes)
    cuts = np.flatnonzero(np.diff(seen.astype(int))) + 1
    return tuple(piece for piece in np.split(points, cuts) if len(piece) and np.isfinite(piece[0, 1]))


def ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Round numbers from ``low`` to ``high``.

    Args:
        low: Lower end.
        high: Upper end.
        most: Most numbers wanted, 3 at least.

    Example:
        >>> ticks(0.0, 3.0, 8)
        (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    """
    if not high > low:
        return (low,)
    rough = (high - low) / (most - 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((size * nice for nice in (1, 2, 5, 10) if size * nice >= rough * 0.999), 10 * size)
    first = math.ceil(low / step - 1e-9)
    return tuple(round(i * step, 9) for i in range(first, math.floor(high / step + 1e-9) + 1))


def _x(chart: CurveChart, plot: Box, time: float) -> float:
    first, last = chart.times_s
    return plot[0] + (time - first) / (last - first) * plot[2]


def _y(chart: CurveChart, plot: Box, volume: float) -> float:
    bottom, top = chart.volumes
    return plot[1] + (top - volume) / (top - bottom) * plot[3]


def _span(m: Measurement, beat: Beat, times: FloatArray) -> Span:
    start_s, end_s = sorted((float(times[beat.ed_frame]), float(times[beat.last_frame])))
    if beat.excluded:
        return Span(start_s, end_s, "excluded", "excluded")
    # An EF that is withheld stands nowhere.
    label = "" if m.ef_percent is None else ef_text(beat.ef_percent)
    return Span(start_s, end_s, "shown" if m.is_shown(beat) else "counted", label)


def _draw_span(canvas: Canvas, chart: CurveChart, span: Span, plot: Box, size: float) -> None:
    x0, x1 = _x(chart, plot, span.start_s), _x(chart, plot, span.end_s)
    y0, y1 = plot[1], plot[1] + plot[3]
    area = rectangle(x0, y0, x1 - x0, plot[3])
    if span.kind == "counted":
        canvas.line([(x0, y0), (x0, y1)], Stroke("line", 0.1 * size))
    elif span.kind == "shown":
        canvas.area(area, "chosen")
    else:
        canvas.area(area, "ground")
        for line in _hatching(x0, x1, y0, y1):
            canvas.line(line, Stroke("hatch", 0.07 * size))
    bold = span.kind == "shown"
    if x1 - x0 < canvas.text_width(span.label, size, bold=bold) + 0.5 * size:
        return
    middle, baseline = (x0 + x1) / 2, y0 + 1.3 * size
    if span.kind == "excluded":
        half = canvas.text_width(span.label, size) / 2 + 0.2 * size
        canvas.area(rectangle(middle - half, baseline - size, 2 * half, 1.35 * size), "ground")
    canvas.text(middle, baseline, span.label, size, "chosen-text" if bold else "soft", bold=bold, align=0.5)


def _hatching(x0: float, x1: float, y0: float, y1: float) -> list[list[tuple[float, float]]]:
    """Lines at 45 degrees that fill a rectangle."""
    lines = []
    for c in np.arange(x0 + y0 + _HATCH, x1 + y1, _HATCH).tolist():
        # On the line x + y = c.
        start = (max(x0, c - y1), min(y1, c - x0))
        end = (min(x1, c - y0), max(y0, c - x1))
        lines.append([start, end])
    return lines


def _draw_mark(canvas: Canvas, phase: str, x: float, y: float, size: float) -> None:
    """A triangle that points as `PHASE_MARKS` says."""
    half = _MARK * size
    tip = half if PHASE_MARKS[phase] == "v" else -half
    corners = [(x, y + 0.8 * tip), (x - half, y - 0.8 * tip), (x + half, y - 0.8 * tip)]
    canvas.area(corners, phase.lower(), edge="page")


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
        canvas.area(rectangle(x0, middle - half, x1 - x0, 2 * half), "line")
    if bar.interval_percent is not None:
        x0, x1 = map(at, bar.interval_percent)
        canvas.line([(x0, middle), (x1, middle)], Stroke("ink", 0.26 * size))
        for end in (x0, x1):
            canvas.line([(end, middle - 0.55 * size), (end, middle + 0.55 * size)], Stroke("ink", 0.2 * size))
    if bar.other_percent is not None:
        centre, reach = at(bar.other_percent), 0.62 * size
        ways = ((-1, 0), (0, -1), (1, 0), (0, 1))
        corners = [(centre + across * reach, middle + down * reach) for across, down in ways]
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
    top, height = y + 0.22 * size, 0.76 * size
    canvas.area(rectangle(x, top, width, height), "line")
    canvas.area(rectangle(x, top, width * min(max(score, 0.0), 1.0), height), "ed")
    for least, _ in QUALITY_WORDS:
        if least > 0:
            tick = x + least * width
            canvas.line([(tick, y), (tick, y + SCORE_HEIGHT * size)], Stroke("page", 0.16 * size))


def _circle(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / _DOT_POINTS for i in range(_DOT_POINTS)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
