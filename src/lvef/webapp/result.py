"""A measured clip on the page: EF, video, volume-time curve, both phases, beats, correction, downloads."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import streamlit as st

from lvef.core.errors import LvefError
from lvef.core.records import Clip, Measurement
from lvef.core.wording import note_text, reads_clips
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.measure.serializers import (
    BEATS_NAME,
    CURVE_NAME,
    MEASUREMENT_NAME,
    beats_csv,
    curve_csv,
    measurement_json,
)
from lvef.report.outputs import (
    OVERLAY_NAME,
    REPORT_HTML_NAME,
    REPORT_PDF_NAME,
    overlay_mp4,
    report_html,
    report_pdf,
)
from lvef.webapp.correction_panel import correction_panel, current_result, panel_key
from lvef.webapp.layout import show_element, show_error, show_section
from lvef.webapp.measurement_view import show_beats, show_ef, show_method, show_quality, show_warnings
from lvef.webapp.scale_panel import needs_scale, scale_panel
from lvef.webapp.session import VIDEO, SessionResult, in_background, is_ready, with_patient_data
from lvef.webapp.viewer import show_phases, viewer

POLL_S = 0.5
"""Interval of checks whether the video is ready."""

_POLL_JS = """
const waiting = new WeakMap();
export default function ({ parentElement, data, setTriggerValue }) {
  const look = setTimeout(() => setTriggerValue("look", true), data.after_ms);
  clearTimeout(waiting.get(parentElement));
  waiting.set(parentElement, look);
  return () => clearTimeout(waiting.get(parentElement));
}
"""

Data = str | bytes | Callable[[], str | bytes]


def show_result(item: SessionResult, options: MeasureOptions) -> None:
    """Show everything about a measured clip.

    Args:
        item: The clip.
        options: Of the visitor.
    """
    base = current_result(item, options)
    m, clip = with_patient_data(base, options).measurement, base.clip
    left, right = st.columns([5, 6], gap="large")
    with left:
        show_ef(m, options, key=f"{item.number}", known_ef_percent=item.known_ef_percent)
        show_warnings(m)
        if item.frames_dropped:
            show_element(
                "lead", "Its frames were removed from memory to make room. Upload the file again to see them."
            )
    with right:
        if clip is not None and item.result.measurement.ef_percent is not None:
            _show_video(item, item.result.measurement, clip)
            if m.correction is not None:
                show_element(
                    "caption", "The video shows the model's contours; the downloaded video shows yours."
                )
        elif clip is not None and len(clip.frames):
            _show_still(item, clip)
        show_quality(m, f"{item.number}")
    if clip is not None and len(clip.frames) > 2 and (m.curve is not None or m.ef_percent is not None):
        _show_curve(item, base.measurement, clip)
    if clip is not None and m.ed_frame is not None and any(m.tracings):
        show_section("End-diastole and end-systole", "Contour, long axis and the disks that give the volume.")
        show_phases(m, item.masked(clip))
    if clip is not None and item.kind == VIDEO and needs_scale(item.result.measurement):
        with st.expander("Millilitres: draw a line of known length", expanded=item.scale_line is not None):
            scale_panel(item, clip)
    if m.beats:
        show_section("Beats")
        show_beats(m)
    show_correction_and_downloads(item, base, options)


def show_correction_and_downloads(item: SessionResult, base: Result, options: MeasureOptions) -> None:
    """The correction, the downloads, and how it was measured.

    Args:
        item: What was measured.
        base: The result that the page above shows.
        options: Of the visitor.
    """
    m = base.measurement

    def below(result: Result) -> None:
        if result.measurement.ef_percent is not None or result.clip is not None or result.views:
            show_section("Downloads")
            _show_downloads(item, with_patient_data(result, options), result.measurement)
        if result is not base:
            # The panel runs alone and has shown the new EF already; the page above follows.
            st.rerun()

    drawn = any(m.tracings) or any(any(part.tracings) for part, _ in base.views.values())
    if drawn:
        show_section(
            "Correction",
            "Choose another beat or other frames, or move the contour; EF and volumes follow at once.",
        )
        correction_panel(item.result, options, panel_key(item), below)
    else:
        below(base)
    with st.expander("How it was measured"):
        show_method(m)


def _show_still(item: SessionResult, clip: Clip) -> None:
    shown = item.masked(clip)
    st.image(shown.frames[len(shown.frames) // 2], width="stretch", alt="A frame of the file")


def _show_curve(item: SessionResult, m: Measurement, clip: Clip) -> None:
    if reads_clips(m) and not any(m.tracings):
        show_section(
            "Frame by frame",
            "This model predicts the EF from the clip: there is no contour and no curve to check.",
        )
    else:
        show_section(
            "Volume over time", "Click on the curve, or use the arrow keys, to see a frame with its contour."
        )
    viewer(m, item.masked(clip), identity=f"{item.number}", key=f"viewer-{item.number}")


def _show_downloads(item: SessionResult, result: Result, base: Measurement) -> None:
    """Buttons for all files of a result.

    Args:
        item: What was measured.
        result: As it stands, with categories.
        base: The measurement without categories: the video does not depend on them.
    """
    m = result.measurement
    shown = Result(
        m,
        None if result.clip is None else item.masked(result.clip),
        {
            view: (part, None if clip is None else item.masked(clip))
            for view, (part, clip) in result.views.items()
        },
    )
    files: list[tuple[str, str, str, Data]] = [
        ("Report, PDF", REPORT_PDF_NAME, "application/pdf", lambda: report_pdf(shown)),
        ("Report, HTML", REPORT_HTML_NAME, "text/html", lambda: report_html(shown)),
        ("All numbers, JSON", MEASUREMENT_NAME, "application/json", measurement_json(m)),
    ]
    for view, (part, _) in result.views.items():
        files.append(
            (f"{view}, JSON", f"{view}-{MEASUREMENT_NAME}", "application/json", measurement_json(part))
        )
    if m.curve is not None:
        files.append(("Volume-time curve, CSV", CURVE_NAME, "text/csv", curve_csv(m)))
        files.append(("Beats, CSV", BEATS_NAME, "text/csv", beats_csv(m)))
    clip = result.clip
    if clip is not None and m.ef_percent is not None and len(clip.frames) > 2:
        files.append(("Video, MP4", OVERLAY_NAME, "video/mp4", lambda: _video_bytes(item, base, clip)))
    stem = PurePosixPath(item.name).stem or "echo"
    with st.container(horizontal=True):
        for label, name, mime, data in files:
            st.download_button(
                label,
                data,
                file_name=f"{stem}-{name}",
                mime=mime,
                on_click="ignore",
                key=f"download-{item.number}-{name}",
            )


def _video_bytes(item: SessionResult, base: Measurement, clip: Clip) -> bytes:
    if base is item.result.measurement:
        video = _render_video_in_background(item, base, clip)
        is_ready(video, None)
        return video.result() or b""
    return overlay_mp4(item.masked(clip), base) or b""


def _render_video_in_background(
    item: SessionResult, measurement: Measurement, clip: Clip
) -> Future[bytes | None]:
    """Start rendering the video of a result, or return the one that was started."""
    return item.cached(
        "video", lambda: in_background(lambda: overlay_mp4(item.masked(clip), measurement)), of=measurement
    )


@st.fragment
def _show_video(item: SessionResult, measurement: Measurement, clip: Clip) -> None:
    """The video, or a placeholder until it is ready.

    Args:
        item: The result of the clip.
        measurement: Its contours are drawn.
        clip: The frames.
    """
    video = _render_video_in_background(item, measurement, clip)
    if not is_ready(video):
        show_element("video_placeholder")
        _component()(
            key=f"video-{item.number}",
            data={"after_ms": round(1000 * POLL_S), "turn": secrets.token_hex(4)},
            on_look_change=lambda: None,
        )
        return
    try:
        data = video.result()
    except LvefError as error:
        show_error(note_text(str(error)), "No video")
        return
    if data:
        st.video(
            data,
            loop=True,
            autoplay=True,
            muted=True,
            alt="The echo with the contour of the left ventricle and the volume-time curve",
        )


@cache
def _component() -> Any:  # noqa: ANN401
    """The component, registered once; its code is sent inline, so that nothing is fetched from anywhere."""
    return st.components.v2.component("lvef_poll", js=_POLL_JS)
