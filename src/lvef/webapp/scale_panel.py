"""The scale of a clip without millimetres, by hand: a line of known length on the image gives millilitres."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import Clip, Measurement, PixelSpacing
from lvef.measure.manual_scale import spacing_of_line
from lvef.transforms.sector import find_sector
from lvef.webapp.layout import show_element, show_error
from lvef.webapp.session import SessionResult
from lvef.webapp.viewer import image_data_url

SIDE_PX = 720
"""Longest side of the image that is sent."""

Line = tuple[float, float, float, float]
"""Both ends, x1, y1, x2, y2 in pixels of the image."""


def needs_scale(m: Measurement) -> bool:
    """Whether the file gave no usable scale: there is none, or the one that there is was given by hand."""
    return bool(any(m.tracings)) and (not isinstance(m.spacing, PixelSpacing) or m.spacing.is_manual)


@st.fragment
def scale_panel(item: SessionResult, clip: Clip) -> None:
    """Ask for a line of known length, and measure the clip again with the scale that follows.

    Args:
        item: The result; its ``scale_line`` is set.
        clip: Its clip.
    """
    start = item.scale_line[:4] if item.scale_line is not None else depth_line(clip)
    frame = item.result.measurement.ed_frame or 0
    left, right = st.columns([3, 2], gap="large")
    with left:
        data = {
            "id": f"{item.number}",
            "picture": image_data_url(item.masked(clip).frames[frame], SIDE_PX),
            "width": clip.frames.shape[2],
            "height": clip.frames.shape[1],
            "aspect": clip.pixel_aspect,
            "line": list(start),
        }
        found = _component()(
            key=f"scale-{item.number}", data=data, default={"line": list(start)}, on_line_change=lambda: None
        )
    with right:
        show_element(
            "lead",
            "Click on the image, or drag the ends, so that the line covers a known distance. At first it runs from the "
            "top of the sector to its lower edge; its length is then the imaging depth set on the scanner.",
        )
        length_mm = st.number_input(
            "Length of the line (mm)",
            min_value=1.0,
            max_value=500.0,
            value=None if item.scale_line is None else item.scale_line[4],
            step=1.0,
            format="%.1f",
            placeholder="for example 160",
            key=f"scale-length-{item.number}",
        )
        line = parse_line(getattr(found, "line", None)) or start
        is_possible = length_mm is not None and _show_spacing(line, length_mm, clip)
        with st.container(horizontal=True):
            if st.button("Use this scale", disabled=not is_possible, key=f"scale-use-{item.number}"):
                assert length_mm is not None
                item.scale_line = (*line, length_mm)
                st.rerun()
            if item.scale_line is not None and st.button("Remove", key=f"scale-remove-{item.number}"):
                item.scale_line = None
                st.rerun()


def depth_line(clip: Clip) -> Line:
    """The line down the middle of the sector, from its top to its lower edge; of the image where no sector is found."""
    height, width = clip.frames.shape[1:]
    try:
        box = find_sector(clip).box
    except QualityRefusal:
        return (width - 1) / 2, 0.0, (width - 1) / 2, height - 1.0
    middle = (box.x0 + box.x1 - 1) / 2
    return middle, float(box.y0), middle, box.y1 - 1.0


def parse_line(found: Any) -> Line | None:  # noqa: ANN401
    """Validate the line that a browser sent; None where it is none.

    Args:
        found: Anything.
    """
    if not isinstance(found, list) or len(found) != 4:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in found):
        return None
    x1, y1, x2, y2 = map(float, found)
    return x1, y1, x2, y2


def _show_spacing(line: Line, length_mm: float, clip: Clip) -> bool:
    """Show the scale of a line, or what is wrong with it; returns whether it can be used."""
    height, width = clip.frames.shape[1:]
    try:
        spacing = spacing_of_line([line[:2], line[2:]], length_mm, (height, width), clip.spacing)
    except GeometryError as error:
        show_error(str(error), "No scale")
        return False
    show_element(
        "lead", f"{spacing.y_mm:.3g} mm per pixel; the image is {height * spacing.y_mm:.0f} mm high."
    )
    return True


@cache
def _component() -> Any:  # noqa: ANN401
    """The component, registered once; its files are sent inline, so that nothing is fetched from anywhere."""
    html, css, js = (
        Path(__file__).with_name(f"scale_line.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    return st.components.v2.component("lvef_scale_line", html=html, css=css, js=js)
