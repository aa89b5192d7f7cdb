"""The volume curve and the beats of the report."""

from __future__ import annotations

import math

import numpy as np

from lvef.core.records import Beat, FloatArray, Measurement
from lvef.report.drawing import curve_values, has_curve
from lvef.report.page import Curve, Span, Table

MOST_BEATS, MOST_BEATS_OF_A_VIEW = 7, 5
"""Most lines of the table of beats on a page of one film, and on one of two."""

MOST_TICKS = 8
"""Most labels on the time axis."""


def curve_of(m: Measurement) -> Curve | None:
    """The curve as it is drawn, or None where there is none worth drawing."""
    if not has_curve(m):
        return None
    curve = m.curve
    assert curve is not None
    times, volumes = curve.times_s, curve_values(m)
    low, high = float(np.nanmin(volumes)), float(np.nanmax(volumes))
    room = (high - low) or max(high, 1.0)
    bottom, top = max(0.0, low - 0.12 * room), high + 0.34 * room
    first, last = float(times[0]), max(float(times[-1]), float(times[0]) + 1e-3)
    whole = [beat for beat in m.beats if not beat.excluded]
    marks = [
        (word, float(times[frame]), float(volumes[frame]))
        for word, frames in (
            ("ED", {b.ed_frame for b in whole} | {m.ed_frame}),
            ("ES", {b.es_frame for b in whole} | {m.es_frame}),
        )
        for frame in sorted(f for f in frames if f is not None)
        if 0 <= frame < len(times) and math.isfinite(volumes[frame])
    ]
    calibrated = m.volume_unit == "ml"
    unit = "LV volume (ml)" if calibrated else "LV volume (% of ED)"
    return Curve(
        pieces=_pieces(times, volumes),
        spans=tuple(_span(m, beat, times) for beat in m.beats if _inside(beat, len(times))),
        marks=tuple(marks),
        unit=unit,
        times_s=(first, last),
        volumes=(bottom, top),
        time_ticks=ticks(first, last, MOST_TICKS),
        # The top of the axis is kept free for the beats' names.
        volume_ticks=ticks(bottom, high + 0.05 * room, 5),
        alt=f"Curve of the {unit} over {last - first:.2f} s: from {high:.0f} down to {low:.0f}, {len(m.beats)} "
        f"{'beat' if len(m.beats) == 1 else 'beats'} marked.",
    )


def beats_of(m: Measurement, most: int, *, narrow: bool = False) -> Table | None:
    """The beats as a table; the one that is shown is always in it.

    Args:
        m: The measurement.
        most: Most lines.
        narrow: Without times and volumes, for two tables side by side.
    """
    if not m.beats:
        return None
    drawn = any(math.isfinite(beat.ed_volume) for beat in m.beats)
    unit = " ml" if m.volume_unit == "ml" else ""
    volumes = (f"EDV{unit}", f"ESV{unit}") if unit and drawn and not narrow else ()
    timed = not narrow and any(m.frame_time_s(beat.ed_frame) is not None for beat in m.beats)
    header = ("Beat", "ED", "ES", *(("Start s",) if timed else ()), *volumes, "EF %", "Length s", "Counted")
    shown = _shown(m, most)
    rows = tuple(_row(m, index, bool(volumes), timed) for index in shown)
    answer = next((place for place, index in enumerate(shown) if m.is_shown(m.beats[index])), None)
    return Table(header, rows, answer, len(m.beats) - len(shown))


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


def _pieces(times: FloatArray, volumes: FloatArray) -> tuple[FloatArray, ...]:
    """The line in pieces: a gap in the curve stays a gap."""
    seen = np.isfinite(volumes)
    cuts = np.flatnonzero(np.diff(seen.astype(int))) + 1
    return tuple(
        np.stack([times[piece], volumes[piece]], axis=1)
        for piece in np.split(np.arange(len(times)), cuts)
        if len(piece) and seen[piece[0]]
    )


def _span(m: Measurement, beat: Beat, times: FloatArray) -> Span:
    end = beat.end_frame if beat.end_frame is not None else beat.es_frame
    start_s, end_s = sorted((float(times[beat.ed_frame]), float(times[end])))
    if beat.excluded:
        return Span(start_s, end_s, "left out", "left out")
    kind = "answer" if m.is_shown(beat) else "counted"
    return Span(start_s, end_s, kind, f"{_number(beat.ef_percent, 0)} %")


def _inside(beat: Beat, n: int) -> bool:
    return all(0 <= f < n for f in (beat.ed_frame, beat.es_frame, beat.end_frame or 0))


def _shown(m: Measurement, most: int) -> list[int]:
    """Indices of the beats to list: the first ones, and the answer's in the last place where it comes later."""
    shown = list(range(min(most, len(m.beats))))
    answer = next((i for i, beat in enumerate(m.beats) if m.is_shown(beat)), None)
    if answer is not None and answer not in shown:
        shown[-1] = answer
    return shown


def _row(m: Measurement, index: int, volumes: bool, timed: bool) -> tuple[str, ...]:
    beat = m.beats[index]
    cells = [str(index + 1), str(beat.ed_frame), str(beat.es_frame)]
    if timed:
        cells.append(_number(m.frame_time_s(beat.ed_frame), 2))
    if volumes:
        cells += [_number(beat.ed_volume, 0), _number(beat.es_volume, 0)]
    cells += [_number(beat.ef_percent, 0), _number(beat.duration_s, 2)]
    if beat.excluded:
        said = f"left out: {beat.excluded}"
    elif m.is_shown(beat):
        said = "yes, the EF above" if m.beats_averaged == 1 else "yes, shown"
    else:
        said = "yes" if beat.end_frame is not None else "no complete beat"
    return (*cells, said)


def _number(value: float | None, digits: int) -> str:
    """Rounded half up, as everywhere on the page; ``-`` for what is not known."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{math.floor(abs(value) * 10**digits + 0.5) / 10**digits * (-1 if value < 0 else 1):.{digits}f}"
