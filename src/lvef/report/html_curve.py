"""The volume curve of the HTML page, as SVG in the page."""

from __future__ import annotations

from html import escape

from lvef.report.page import Curve, Span

HEIGHT = 210
"""Height of the drawing; its width is given."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 6, 46
_LETTER = 6.6
_MARK = 5


def curve_svg(curve: Curve, view: str, width: int) -> str:
    """Draw the curve with its beats.

    Args:
        curve: What to draw.
        view: Name of the view, for the axis; empty for none.
        width: Width of the drawing, in its own units.
    """
    (first, last), (bottom, top) = curve.times_s, curve.volumes
    across, down = width - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(time: float) -> float:
        return _LEFT + (time - first) / (last - first) * across

    def y(volume: float) -> float:
        return _TOP + (top - volume) / (top - bottom) * down

    floor = _TOP + down
    # Every drawing of a page brings its own hatching, under a name of its own.
    name = f"left-out-{view.lower() or 'film'}"
    parts = [
        f'<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" class="ground"/>'
        '<path d="M0,0V6" class="hatch"/></pattern></defs>'
    ]
    parts += [_span(span, x(span.start_s), x(span.end_s), down, name) for span in curve.spans]
    parts.append(f'<path class="axis" d="M{_LEFT},{_TOP}V{floor}H{width - _RIGHT}"/>')
    for tick in curve.time_ticks:
        parts.append(
            f'<path class="axis" d="M{x(tick):.1f},{floor}v4"/>'
            f'<text x="{x(tick):.1f}" y="{floor + 16}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in curve.volume_ticks:
        parts.append(
            f'<path class="axis" d="M{_LEFT},{y(tick):.1f}h-4"/>'
            f'<text x="{_LEFT - 7}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for piece in curve.pieces:
        line = " ".join(f"{x(time):.1f},{y(volume):.1f}" for time, volume in piece.tolist())
        if len(piece) == 1:
            # A single point would not be seen.
            line += " h0.1"
        parts.append(f'<path class="line" d="M{line}"/>')
    for word, time, volume in curve.marks:
        sign = _MARK if word == "ED" else -_MARK
        parts.append(
            f'<path class="{word.lower()}" d="M{x(time):.1f},{y(volume) + 0.8 * sign:.1f}'
            f'l{-_MARK},{-1.6 * sign}h{2 * _MARK}z"/>'
        )
    below = HEIGHT - 6
    label = f"{view} {curve.unit}".strip()
    parts.append(f'<text x="0" y="{below}">{escape(label)}</text>')
    parts.append(
        f'<text x="{width - _RIGHT}" y="{below}" text-anchor="end">time (s)'
        '<tspan class="ed" dx="10">\u25bc ED</tspan><tspan class="es" dx="10">\u25b2 ES</tspan></text>'
    )
    return (
        f'<svg class="curve" role="img" aria-label="{escape(f"{view}: {curve.alt}" if view else curve.alt)}" '
        f'viewBox="0 0 {width} {HEIGHT}">{"".join(parts)}</svg>'
    )


def _span(span: Span, x0: float, x1: float, down: int, hatching: str) -> str:
    if span.kind == "counted":
        drawn = f'<path class="start" d="M{x0:.1f},{_TOP}v{down}"/>'
    else:
        fill = ' class="answer-beat"' if span.kind == "answer" else f' fill="url(#{hatching})"'
        drawn = f'<rect x="{x0:.1f}" y="{_TOP}" width="{x1 - x0:.1f}" height="{down}"{fill}/>'
    if x1 - x0 < len(span.label) * _LETTER + 6:
        return drawn
    kind = ' class="answer-word"' if span.kind == "answer" else ' class="over"'
    return (
        drawn
        + f'<text x="{(x0 + x1) / 2:.1f}" y="{_TOP + 14}" text-anchor="middle"{kind}>{escape(span.label)}</text>'
    )
