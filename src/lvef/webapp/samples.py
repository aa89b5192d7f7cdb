"""Clips for a visitor without a file: a real cine from pydicom, and synthetic phantoms whose EF is known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from lvef.core.terms import View
from lvef.io.open import sample_cine
from lvef.webapp.layout import show_element
from lvef.webapp.measuring import SampleFile

if TYPE_CHECKING:
    from lvef.synthesis.truth import SyntheticClip


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample clip and, for a phantom, its EF by disks in the plane of the clip."""

    upload: SampleFile
    known_ef_percent: float | None = None


def show_sample_buttons(page: str) -> Sample | None:
    """Buttons for the samples; returns the one that was chosen.

    Args:
        page: Beginning of the buttons' keys.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        show_element("lead", "No clip to hand?", width="content")
        wants_cine = st.button(
            "Real echo", key=f"{page}-cine", help="An apical four-chamber cine that comes with pydicom."
        )
        wants_phantom = st.button(
            "Synthetic phantom, EF known",
            key=f"{page}-phantom",
            help="Its true EF is shown with the measured one.",
        )
    if not (wants_cine or wants_phantom):
        return None
    with st.spinner("Preparing the sample ..."):
        return cine() if wants_cine else phantom()


def cine() -> Sample:
    """The real apical cine.

    Raises:
        DataError: It is missing from the installed pydicom.
    """
    return Sample(SampleFile("real-echo.dcm", sample_cine().read_bytes()))


@cache
def phantom() -> Sample:
    """The phantom as a clip; made once a process."""
    made = phantom_clip(View.A4C)
    return Sample(SampleFile("phantom.avi", _video_bytes(made)), made.representative.plane_ef_percent)


@cache
def phantom_stills() -> tuple[Sample, Sample]:
    """ED and ES of the phantom as PNG images."""
    import cv2

    made = phantom_clip(View.A4C)
    beat = made.representative
    pair = []
    for phase, frame in (("ed", beat.ed_frame), ("es", beat.es_frame)):
        done, data = cv2.imencode(".png", made.clip.frames[frame])
        assert done
        pair.append(Sample(SampleFile(f"phantom-{phase}.png", data.tobytes()), beat.plane_ef_percent))
    return pair[0], pair[1]


@cache
def phantom_study() -> tuple[Sample, Sample]:
    """Both views of one phantom; the known EF is that of the body in space."""
    clips = []
    for view in (View.A4C, View.A2C):
        made = phantom_clip(view)
        clips.append(
            Sample(SampleFile(f"phantom-{view}.avi", _video_bytes(made)), made.representative.ef_percent)
        )
    return clips[0], clips[1]


@cache
def phantom_clip(view: View) -> SyntheticClip:
    """The phantom of ``lvef demo --phantom``, seen in a view."""
    from lvef.synthesis.phantom.render import sample_phantom

    return sample_phantom(view)


def _video_bytes(made: SyntheticClip) -> bytes:
    from lvef.stores.synthetic_files import write_video

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.avi"
        write_video(path, made)
        return path.read_bytes()
