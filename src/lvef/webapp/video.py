"""The video of a measured clip: rendered in the background, and shown once it is ready.

It is shown by a fragment that runs again until the video is ready; the rest of the page is not drawn again. Streamlit's own
``run_every`` cannot be stopped by the fragment, so an invisible component triggers each run.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from functools import cache
from typing import Any

import streamlit as st

from lvef.core.errors import LvefError
from lvef.core.records import Clip, Measurement
from lvef.core.wording import note_text
from lvef.report.overlay import write_overlay
from lvef.webapp.layout import show_element, show_error
from lvef.webapp.measuring import get_upload_store
from lvef.webapp.session import SessionResult, in_background, is_ready

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


def render_video(measurement: Measurement, shown: Clip) -> bytes | None:
    """The clip with contours and curve as MP4, or None where there is nothing to render.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the sector.

    Raises:
        DataError: The video cannot be written.
        VideoError: This build of PyAV cannot encode H.264.
    """
    path = get_upload_store().new_path("video.mp4")
    try:
        return path.read_bytes() if write_overlay(path, shown, measurement) else None
    finally:
        path.unlink(missing_ok=True)


def render_video_in_background(
    item: SessionResult, measurement: Measurement, clip: Clip
) -> Future[bytes | None]:
    """Start rendering the video of a result, or return the one that was started."""
    return item.cached(
        "video", lambda: in_background(lambda: render_video(measurement, item.masked(clip))), of=measurement
    )


@st.fragment
def show_video(item: SessionResult, measurement: Measurement, clip: Clip) -> None:
    """The video, or a placeholder until it is ready.

    Args:
        item: The result of the clip.
        measurement: Its contours are drawn.
        clip: The frames.
    """
    video = render_video_in_background(item, measurement, clip)
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
