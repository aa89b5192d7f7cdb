"""The volume-time curve: what it shows, decided once, and one drawing of it for every canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvef.core.records import Beat, FloatArray, Measurement
from lvef.core.wording import ef_text
from lvef.report.canvas import Canvas, Stroke

MOST_TIME_TICKS, MOST_VOLUME_TICKS = 8, 5
"""Most labels on the axes."""

MARGINS = (3.6, 0.6, 0.5, 4.0)
"""Room left, right, above and below the plot for the axes' labels, in letter sizes."""

Box = tuple[float, float, float, float]
"""x, y, width and height."""

DASHES: tuple[tuple[float, ...], ...] = ((), (8, 4), (2, 4), (10, 3, 2, 3), (4, 4))
"""Dashes of the lines of a chart with several."""

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
class Line:
    """A line of the chart.

    Attributes:
        pieces: ``(k, 2)`` of time and volume; a gap in the curve begins a new piece.
        name: For the legend; empty where the chart has one line.
        colour: Name or ``#rrggbb``.
        dash: Its dashes.
    """

    pieces: tuple[FloatArray, ...]
    name: str = ""
    colour: str = "ink"
    dash: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Volume-time curves in one chart.

    Attributes:
        lines: The curves.
        spans: The beats.
        marks: ``(phase, time, volume)`` of the EDs and ESs.
        unit: Name of the vertical axis.
        times_s: First and last time.
        volumes: Lower and upper end of the vertical axis.
        alt: The chart in words.
    """

    lines: tuple[Line, ...]
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
    assert measurement.curve is not None
    # Without a scale only the shape means something.
    return measurement.curve.volume if measurement.volume_unit == "ml" else percent_of_ed(measurement)


def percent_of_ed(measurement: Measurement) -> FloatArray:
    """The volumes ``(n,)`` in per cent of the shown ED.

    Args:
        measurement: One that has a curve.
    """
    curve, ed = measurement.curve, measurement.ed_frame
    assert curve is not None
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
        lines=(Line(pieces_of(times, volumes)),),
        spans=tuple(_span(m, beat, times) for beat in m.beats if _is_inside(beat, len(times))),
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


def comparison_chart(curves: Sequence[tuple[str, FloatArray, FloatArray]]) -> CurveChart:
    """Curves of several models in one chart, each in per cent of its own ED; they differ in colour and in their dashes.

    Args:
        curves: Name, times in seconds and volumes of each, NaN where nothing was traced.
    """
    values = np.concatenate([volumes for _, _, volumes in curves])
    last = max(float(times[-1]) for _, times, _ in curves)
    names = ", ".join(name for name, _, _ in curves)
    return CurveChart(
        lines=tuple(
            Line(pieces_of(times, volumes), name, f"var(--c{i % len(DASHES)})", DASHES[i % len(DASHES)])
            for i, (name, times, volumes) in enumerate(curves)
        ),
        spans=(),
        marks=(),
        unit="LV volume (% of ED)",
        times_s=(0.0, max(last, 1e-3)),
        volumes=(min(0.9 * float(np.nanmin(values)), 45.0), max(1.25 * float(np.nanmax(values)), 125.0)),
        alt=f"Volume over time by {names}",
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
    _draw_spans(canvas, chart, plot, size)
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
    _draw_names(canvas, chart, plot, size)
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
    _draw_spans(canvas, chart, plot, size)
    _draw_lines(canvas, chart, plot, size)


def _draw_spans(canvas: Canvas, chart: CurveChart, plot: Box, size: float) -> None:
    for span in chart.spans:
        _draw_span(canvas, chart, span, plot, size)


def _draw_lines(canvas: Canvas, chart: CurveChart, plot: Box, size: float) -> None:
    for line in chart.lines:
        for piece in line.pieces:
            points = [(_x(chart, plot, time), _y(chart, plot, volume)) for time, volume in piece.tolist()]
            canvas.line(points, Stroke(line.colour, 0.15 * size, dash=line.dash))
    for phase, time, volume in chart.marks:
        _draw_mark(canvas, phase, _x(chart, plot, time), _y(chart, plot, volume), size)


def _draw_names(canvas: Canvas, chart: CurveChart, plot: Box, size: float) -> None:
    """The legend of a chart with several lines."""
    x, y = plot[0] + 1.5 * size, plot[1] + size
    for line in chart.lines if len(chart.lines) > 1 else ():
        canvas.line(
            [(x, y - 0.35 * size), (x + 3 * size, y - 0.35 * size)],
            Stroke(line.colour, 0.15 * size, dash=line.dash),
        )
        canvas.text(x + 3.6 * size, y, line.name, size, "soft")
        x += 6 * size + canvas.text_width(line.name, size)


def pieces_of(times_s: Sequence[float] | FloatArray, volumes: FloatArray) -> tuple[FloatArray, ...]:
    """A curve in pieces ``(k, 2)``: a gap stays a gap.

    Args:
        times_s: ``(n,)``.
        volumes: ``(n,)``, NaN in the gaps.
    """
    points = np.stack([np.asarray(times_s, dtype=np.float64), volumes], axis=1)
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
    end = beat.end_frame if beat.end_frame is not None else beat.es_frame
    start_s, end_s = sorted((float(times[beat.ed_frame]), float(times[end])))
    if beat.excluded:
        return Span(start_s, end_s, "excluded", "excluded")
    # An EF that is withheld stands nowhere.
    label = "" if m.ef_percent is None else ef_text(beat.ef_percent)
    return Span(start_s, end_s, "shown" if m.is_shown(beat) else "counted", label)


def _is_inside(beat: Beat, n: int) -> bool:
    return all(0 <= frame < n for frame in (beat.ed_frame, beat.es_frame, beat.end_frame or 0))


def _draw_span(canvas: Canvas, chart: CurveChart, span: Span, plot: Box, size: float) -> None:
    x0, x1 = _x(chart, plot, span.start_s), _x(chart, plot, span.end_s)
    y0, y1 = plot[1], plot[1] + plot[3]
    area = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
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
        top, low = baseline - 1.0 * size, baseline + 0.35 * size
        canvas.area(
            [(middle - half, top), (middle + half, top), (middle + half, low), (middle - half, low)], "ground"
        )
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
    """A triangle that points at the curve: down for ED, up for ES."""
    half = _MARK * size
    tip = half if phase == "ED" else -half
    canvas.area(
        [(x, y + 0.8 * tip), (x - half, y - 0.8 * tip), (x + half, y - 0.8 * tip)], phase.lower(), edge="page"
    )
