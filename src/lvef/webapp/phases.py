"""ED and ES side by side with contour, long axis and disks."""

from __future__ import annotations

from html import escape

import streamlit as st

from lvef.core.records import Clip, Measurement
from lvef.core.wording import ml_text
from lvef.report.html import image_svg
from lvef.report.images import images_of

SHAPE, HEIGHT_PX = 4 / 3, 640
"""Width over height of an image, and its height."""


def show_phases(
    measurement: Measurement, shown: Clip, *, names: tuple[str, str] = ("End-diastole", "End-systole")
) -> None:
    """Show both phases, each with what was traced on it; nothing where there are none.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.
        names: Headings.
    """
    m = measurement
    frames = {"ED": (names[0], m.ed_frame), "ES": (names[1], m.es_frame)}
    images = [image for image in images_of(m, shown, "", SHAPE, HEIGHT_PX) if image.phase]
    for column, image in zip(st.columns(len(images), gap="medium") if images else [], images, strict=True):
        name, frame = frames[image.phase]
        assert frame is not None
        with column:
            st.image(image_svg(image), width="stretch", alt=f"{name}. {image.alt}")
            st.html(f'<p class="lvef-caption">{escape(phase_caption(m, name, frame))}</p>')


def phase_caption(m: Measurement, name: str, frame: int) -> str:
    """What stands under a phase: its name, frame, time and volume."""
    parts = [name]
    time = m.frame_time_s(frame)
    if time is not None:
        parts.append(f"frame {frame}, {time:.2f} s")
    # The volume of what is drawn, of this one beat; that of the result may be a mean.
    beat = m.shown_beat
    if beat is not None and m.edv_ml is not None:
        parts.append(ml_text(beat.ed_volume if frame == m.ed_frame else beat.es_volume))
    return " · ".join(parts)
