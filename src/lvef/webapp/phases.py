"""ED and ES side by side with contour, long axis and disks, as SVG pictures."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from lvef.core.records import Clip, FloatArray, Measurement, Tracing
from lvef.core.wording import ml_text
from lvef.webapp.viewer import LARGEST_SIDE_PX, displayed_shape, jpeg_data_url

ED_COLOUR, ES_COLOUR = "#56b4e9", "#f0a01e"
"""On black. Source: Okabe and Ito, 2008."""

MARGIN = 0.35
"""Room around the ventricle, in parts of its larger side: the picture is cut to what matters."""


def show_phases(
    measurement: Measurement, shown: Clip, *, names: tuple[str, str] = ("End-diastole", "End-systole")
) -> None:
    """Show both phases, each with its tracing; nothing where there are none.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.
        names: Headings.
    """
    m = measurement
    frames = [(name, f) for name, f in zip(names, (m.ed_frame, m.es_frame), strict=True) if f is not None]
    if not frames:
        return
    tracings = [m.tracings[f] if f < len(m.tracings) else None for _, f in frames]
    window = _window(shown, [t for t in tracings if t is not None])
    columns = st.columns(len(frames), gap="medium")
    for column, (name, frame), tracing in zip(columns, frames, tracings, strict=True):
        colour = ED_COLOUR if frame == m.ed_frame else ES_COLOUR
        words = caption(m, name, frame)
        with column:
            st.image(
                phase_svg(shown, frame, tracing, colour, window),
                width="stretch",
                alt=f"{words}, with contour, long axis and disks" if tracing else words,
            )
            st.html(f'<p class="lvef-caption">{escape(words)}</p>')


def caption(m: Measurement, name: str, frame: int) -> str:
    """Caption of a phase: its name, frame, time and volume."""
    parts = [name]
    time = m.frame_time_s(frame)
    if time is not None:
        parts.append(f"frame {frame}, {time:.2f} s")
    # The volume of the beat that is drawn; the result's may be a mean.
    beat = m.shown_beat
    if beat is not None and m.edv_ml is not None:
        parts.append(ml_text(beat.ed_volume if frame == m.ed_frame else beat.es_volume))
    return " · ".join(parts)


def phase_svg(
    shown: Clip, frame: int, tracing: Tracing | None, colour: str, window: tuple[float, float, float, float]
) -> str:
    """A frame with its tracing as SVG; the image inside is a JPEG.

    Args:
        shown: The clip, black outside the sector.
        frame: Which frame.
        tracing: What was traced on it.
        colour: Of contour and disks.
        window: Part of the picture, x, y, width, height in square pixels.
    """
    width, height = displayed_shape(shown)
    stretch = height / shown.frames.shape[1]
    parts = [f'<image href="{jpeg_data_url(shown.frames[frame], 2 * LARGEST_SIDE_PX)}" width="{width}" height="{height}" '
             'preserveAspectRatio="none"/>']  # fmt: skip
    if tracing is not None:
        thin = 0.0035 * max(window[2], window[3])

        def points(xy: FloatArray) -> str:
            return " ".join(f"{x:.1f},{y:.1f}" for x, y in (xy + 0.5) * (1.0, stretch))

        for chord in tracing.chords:
            parts.append(
                f'<polyline points="{points(chord)}" stroke="{colour}" stroke-width="{thin * 0.7:.2f}" opacity="0.6"/>'
            )
        parts.append(
            f'<polyline points="{points(np.stack([tracing.apex, tracing.base]))}" stroke="#fff" '
            f'stroke-width="{thin:.2f}" stroke-dasharray="{3 * thin:.2f} {2 * thin:.2f}"/>'
        )
        parts.append(
            f'<polygon points="{points(tracing.contour)}" stroke="{colour}" stroke-width="{1.7 * thin:.2f}"/>'
        )
    box = " ".join(f"{v:.1f}" for v in window)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{2 * window[2]:.0f}" height="{2 * window[3]:.0f}">'
        f'<rect x="{window[0]:.1f}" y="{window[1]:.1f}" width="100%" height="100%" fill="#000"/>'
        f'<g fill="none" stroke-linejoin="round">{"".join(parts)}</g></svg>'
    )


def _window(shown: Clip, tracings: list[Tracing]) -> tuple[float, float, float, float]:
    """The part to show, the same for both phases: the ventricle with room around it, 4 : 3."""
    width, height = displayed_shape(shown)
    stretch = height / shown.frames.shape[1]
    if not tracings:
        return 0.0, 0.0, float(width), float(height)
    found = np.concatenate([t.contour for t in tracings]) * (1.0, stretch)
    low, high = found.min(axis=0), found.max(axis=0)
    room = MARGIN * float((high - low).max())
    centre, (wide, tall) = (low + high) / 2, high - low + 2 * room
    wide, tall = max(wide, tall * 4 / 3), max(tall, wide * 3 / 4)
    # Not more than the picture has, as far as its own shape lets.
    scale = min(1.0, max(width / wide, height / tall))
    wide, tall = wide * scale, tall * scale
    x = min(max(centre[0] - wide / 2, 0.0), width - wide) if wide <= width else (width - wide) / 2
    y = min(max(centre[1] - tall / 2, 0.0), height - tall) if tall <= height else (height - tall) / 2
    return float(x), float(y), float(wide), float(tall)
