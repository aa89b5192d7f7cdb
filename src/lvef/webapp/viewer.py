"""The clip frame by frame beside its volume-time curve, and its ED and ES frames with their tracings.

The first is a Streamlit component in SVG and plain JavaScript.

All frames are sent to the browser once, as JPEGs, so that a click on the curve or an arrow key shows a frame at once.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from lvef.core.records import Clip, FrameArray, Measurement
from lvef.core.wording import ef_text, ml_text
from lvef.report.curve import curve_values
from lvef.report.html import image_svg
from lvef.report.images import images_of
from lvef.webapp.layout import show_element

HERE = Path(__file__).parent
"""Folder of the component's files."""

LARGEST_SIDE_PX, LONG_CLIP_SIDE_PX = 448, 288
"""Longest side of a frame that is sent, and that of a clip with more than `LONG_CLIP` frames."""

LONG_CLIP, MAX_FRAMES = 200, 600
"""Of a clip with more frames than the second, every second (third, ...) image is sent; contours and volumes all are."""

JPEG_QUALITY = 85
"""Of the frames that are sent."""

PHASE_SIZE = (853, 640)
"""Width and height of the image of a phase."""

CONTOUR_POINTS = 50
"""Most points of a contour that is sent."""


def viewer(measurement: Measurement, shown: Clip, *, identity: str, key: str) -> None:
    """Show the viewer.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.
        identity: Unique name of the clip, so that a rerun keeps the frame that is shown.
        key: Of the component.
    """
    data = viewer_data(measurement, shown) | {"id": identity}
    _component()(key=key, data=data)


def viewer_data(measurement: Measurement, shown: Clip) -> dict[str, Any]:
    """The data of the component, as JSON values.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.
    """
    m, n = measurement, len(shown.frames)
    every = -(-n // MAX_FRAMES)
    height, width = shown.frames.shape[1:]
    return {
        "width": width,
        "height": height,
        "shape": displayed_shape(shown),
        "frames": [
            image_data_url(frame, LARGEST_SIDE_PX if n <= LONG_CLIP else LONG_CLIP_SIDE_PX)
            for frame in shown.frames[::every]
        ],
        "every": every,
        "times": [round(t, 4) for t in shown.times_s.tolist()],
        "contours": [_contour(m, frame) for frame in range(n)],
        "volume": volumes(m, n),
        "unit": "ml" if m.volume_unit == "ml" else "% of end-diastole",
        "beats": _beats(m),
        "marks": _marks(m),
        "ed": m.ed_frame,
        "es": m.es_frame,
        "start": m.ed_frame or 0,
        "label": "Echo",
        "left_out": " ".join(
            f"Beat {number} is excluded: {beat.excluded.rstrip('.')}."
            for number, beat in enumerate(m.beats, start=1)
            if beat.excluded
        ),
    }


def volumes(m: Measurement, n: int) -> list[float | None]:
    """The volume-time curve: ml, or per cent of the result's own end-diastolic volume where the file has no scale."""
    if m.curve is None or len(m.curve.volume) != n:
        return [None] * n
    values = curve_values(m)
    return [round(v, 2) if np.isfinite(v) else None for v in values.tolist()]


def displayed_shape(clip: Clip) -> list[float]:
    """Width and height of a frame as it is shown, with square pixels."""
    height, width = clip.frames.shape[1:]
    aspect = clip.pixel_aspect
    return [width, round(height * aspect, 2)]


def image_data_url(
    frame: FrameArray, side_px: int, *, quality: int = JPEG_QUALITY, lossless_px: int = 0
) -> str:
    """A frame as a ``data:`` URL: it is in no file and has no other address.

    Args:
        frame: ``(height, width)`` uint8, black outside the sector.
        side_px: Longest side; a larger frame is scaled down.
        quality: Of the JPEG.
        lossless_px: Frames up to this side are PNG: they are small, and an enlarged JPEG shows its blocks.
    """
    scale = side_px / max(frame.shape)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in frame.shape[::-1])
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    kind = "png" if max(frame.shape) <= lossless_px else "jpeg"
    done, data = cv2.imencode(
        f".{kind}", frame, [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else []
    )
    assert done
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def show_phases(
    measurement: Measurement, shown: Clip, *, names: tuple[str, str] = ("End-diastole", "End-systole")
) -> None:
    """Show ED and ES side by side, each with its tracing; nothing where there are none.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.
        names: Headings.
    """
    m = measurement
    frames = {"ED": (names[0], m.ed_frame), "ES": (names[1], m.es_frame)}
    shape = PHASE_SIZE[0] / PHASE_SIZE[1]
    images = [image for image in images_of(m, shown, "", shape, PHASE_SIZE[1]) if image.phase]
    for column, image in zip(st.columns(len(images), gap="medium") if images else [], images, strict=True):
        name, frame = frames[image.phase]
        assert frame is not None
        with column:
            st.image(image_svg(image), width="stretch", alt=f"{name}. {image.alt}")
            show_element("caption", phase_caption(m, name, frame))


def phase_caption(m: Measurement, name: str, frame: int) -> str:
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


@cache
def _component() -> Any:  # noqa: ANN401
    html, css, js = ((HERE / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("lvef_viewer", html=html, css=css, js=js)


def _contour(m: Measurement, frame: int) -> list[float] | None:
    tracing = m.tracings[frame] if frame < len(m.tracings) else None
    if tracing is None:
        return None
    every = -(-len(tracing.contour) // CONTOUR_POINTS)
    # Whole numbers are pixel centres, not corners: hence the half.
    return np.round(tracing.contour[::every] + 0.5, 1).ravel().tolist()


def _beats(m: Measurement) -> list[dict[str, Any]]:
    return [
        {
            "from": beat.ed_frame,
            "to": beat.end_frame if beat.end_frame is not None else beat.es_frame,
            "text": ef_text(beat.ef_percent)
            if m.ef_percent is not None and np.isfinite(beat.ef_percent)
            else "",
            "excluded": bool(beat.excluded),
            "answer": m.is_shown(beat),
        }
        for beat in m.beats
    ]


def _marks(m: Measurement) -> list[list[Any]]:
    marks: dict[tuple[int, str], bool] = {}
    for beat in m.beats:
        for frame, phase in ((beat.ed_frame, "ed"), (beat.es_frame, "es")):
            marks[frame, phase] = marks.get((frame, phase), False) or not beat.excluded
    for own, phase in ((m.ed_frame, "ed"), (m.es_frame, "es")):
        if own is not None:
            marks[own, phase] = True
    return [[frame, phase, counted] for (frame, phase), counted in sorted(marks.items())]
