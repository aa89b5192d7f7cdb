"""Curves of several networks in one picture: drawn here, shown by a component that only lays it on the page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

HERE = Path(__file__).parent
"""Folder of the component's files."""

WIDTH, HEIGHT = 900, 300
"""Of the drawing; it is scaled to the page."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 40, 40
_DASHES = ("", "8 4", "2 4", "10 3 2 3", "4 4")

Curve = tuple[str, list[float], list[float | None]]
"""Name, times in seconds, volumes in per cent of that curve's own ED (None where nothing was traced)."""


def show_curves(curves: Sequence[Curve], key: str) -> None:
    """Lay the curves over each other; they differ in colour and in their dashes."""
    _component()(key=key, data={"svg": curves_svg(curves)})


def curves_svg(curves: Sequence[Curve]) -> str:
    """The drawing as SVG, with classes instead of colours: the page's theme gives them."""
    values = [v for _, _, volume in curves for v in volume if v is not None]
    high, low = max([*values, 100.0]) * 1.05, min([*values, 50.0]) * 0.9
    span = max([t for _, times, _ in curves for t in times] + [1e-3])
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def x(t: float) -> float:
        return _LEFT + t / span * (right - _LEFT)

    def y(v: float) -> float:
        return bottom - (v - low) / (high - low) * (bottom - _TOP)

    parts = [f'<text x="2" y="{_TOP - 24}">% of end-diastole</text>']
    for level in range(int(np.ceil(low / 20)) * 20, int(high) + 1, 20):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{level}</text>')
    for second in np.arange(0, span + 1e-9, 0.5 if span > 1 else 0.2):
        parts.append(f'<text x="{x(second):.1f}" y="{bottom + 18}" text-anchor="middle">{second:.1f}</text>')
    parts.append(f'<text x="{right}" y="{HEIGHT - 4}" text-anchor="end">time (s)</text>')
    legend = _LEFT + 130.0
    for number, (name, times, volume) in enumerate(curves):
        style = f'class="curve c{number % 5}" stroke-dasharray="{_DASHES[number % 5]}"'
        pen, path = "M", ""
        for t, v in zip(times, volume, strict=True):
            if v is None:
                pen = "M"
                continue
            path += f"{pen}{x(t):.1f} {y(v):.1f}"
            pen = "L"
        parts.append(f'<path {style} d="{path}"/>')
        parts.append(
            f'<path {style} d="M{legend:.0f} 12h30"/><text x="{legend + 38:.0f}" y="16">{escape(name)}</text>'
        )
        legend += 60 + 7.2 * len(name)
    names = escape(", ".join(name for name, _, _ in curves))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Volume over time by {names}">{"".join(parts)}</svg>'


@cache
def _component() -> Any:  # noqa: ANN401
    return st.components.v2.component(
        "lvef_drawing",
        html='<div class="drawing"></div>',
        css=(HERE / "drawing.css").read_text(encoding="utf-8"),
        js="export default ({ data, parentElement }) => { parentElement.querySelector('.drawing').innerHTML = data.svg; };",
    )
