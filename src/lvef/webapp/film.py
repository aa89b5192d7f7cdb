"""The film of a measured clip: drawn beside the page, and shown where its place is once it is ready.

The place is a fragment that runs again by itself until the film is there, and only it: the rest of the page, with its
pictures and files, need not be made a second time. Streamlit's own ``run_every`` cannot be stopped by the fragment, so a
component without anything to see asks for each run.
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
from lvef.webapp.layout import show_error
from lvef.webapp.measuring import get_upload_store
from lvef.webapp.session import SessionResult, in_background, is_ready

LOOK_S = 0.5
"""How often the page looks whether the film is drawn."""

_LOOK_AGAIN = """
const waiting = new WeakMap();
export default function ({ parentElement, data, setTriggerValue }) {
  const look = setTimeout(() => setTriggerValue("look", true), data.after_ms);
  clearTimeout(waiting.get(parentElement));
  waiting.set(parentElement, look);
  return () => clearTimeout(waiting.get(parentElement));
}
"""


def render_video(measurement: Measurement, shown: Clip) -> bytes | None:
    """The clip with contours and curve as MP4, or None where there is nothing to film.

    Args:
        measurement: What was measured.
        shown: Its clip, black outside the fan.

    Raises:
        DataError: The film cannot be written.
        VideoError: This build of PyAV cannot encode H.264.
    """
    path = get_upload_store().new_path("video.mp4")
    try:
        return path.read_bytes() if write_overlay(path, shown, measurement) else None
    finally:
        path.unlink(missing_ok=True)


def render_video_in_background(
    entry: SessionResult, measurement: Measurement, clip: Clip
) -> Future[bytes | None]:
    """Begin to draw the film of an entry's clip, or give the one that was begun."""
    return entry.cached(
        "film", lambda: in_background(lambda: render_video(measurement, entry.shown(clip))), of=measurement
    )


@st.fragment
def show_video(entry: SessionResult, measurement: Measurement, clip: Clip) -> None:
    """The film, or the words that stand in its place until it is drawn.

    Args:
        entry: The clip's.
        measurement: Its outlines are on the film.
        clip: The frames.
    """
    film = render_video_in_background(entry, measurement, clip)
    if not is_ready(film):
        st.html('<div class="lvef-wait" role="status">Drawing the film ...</div>')
        _component()(
            key=f"film-{entry.number}",
            data={"after_ms": round(1000 * LOOK_S), "turn": secrets.token_hex(4)},
            on_look_change=lambda: None,
        )
        return
    try:
        data = film.result()
    except LvefError as error:
        show_error(note_text(str(error)), "No film")
        return
    if data:
        st.video(
            data,
            loop=True,
            autoplay=True,
            muted=True,
            alt="The echo with the outline of the left ventricle and the curve",
        )


@cache
def _component() -> Any:  # noqa: ANN401
    """The component, registered once; its code is sent inline, so that nothing is fetched from anywhere."""
    return st.components.v2.component("lvef_look_again", js=_LOOK_AGAIN)
