"""Clips that are there without anybody's file: a real cine out of pydicom, and a computed heart whose EF is known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lvef.core.errors import DataError
from lvef.webapp.measuring import Given

CINE_FILE = "examples_ybr_color.dcm"
"""An apical four-chamber cine in the ``pydicom`` package: 30 frames in 1.0 s, no whole beat."""

PHANTOM_NAME = "phantom.avi"
"""What the phantom is called on the page."""

PHANTOM_SEED, PHANTOM_EF_PERCENT = 1, 55.0
"""The phantom of ``lvef demo --phantom``."""

PHANTOM_RATE_BPM, PHANTOM_FRAME_RATE_HZ, PHANTOM_FRAMES = 70.0, 50.0, 150
"""Three seconds, in which two or three beats are whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip of our own and, for a computed heart, its EF by disks in the plane of the film."""

    upload: Given
    known_ef_percent: float | None = None


def cine() -> Sample:
    """The real apical cine.

    Raises:
        DataError: It is missing from the installed pydicom.
    """
    from pydicom.data import get_testdata_file

    found = get_testdata_file(CINE_FILE, download=False)
    if not isinstance(found, str):
        raise DataError(
            f"{CINE_FILE} is missing from the installed pydicom: run pip install --force-reinstall pydicom."
        )
    return Sample(Given("real-echo.dcm", Path(found).read_bytes()))


@cache
def phantom() -> Sample:
    """The computed heart as a film; made once a process."""
    import numpy as np

    from lvef.preparation.synthetic_files import write_video
    from lvef.synthesis.acquisition import RhythmKind
    from lvef.synthesis.phantom.case import PhantomOptions, draw_phantom
    from lvef.synthesis.phantom.render import render

    rng = np.random.default_rng(PHANTOM_SEED)
    options = PhantomOptions(
        ef_percent=PHANTOM_EF_PERCENT,
        heart_rate_bpm=PHANTOM_RATE_BPM,
        rhythm=RhythmKind.SINUS,
        frame_rate_hz=PHANTOM_FRAME_RATE_HZ,
        n_frames=PHANTOM_FRAMES,
    )
    synthetic = render(draw_phantom(rng, options, name=Path(PHANTOM_NAME).stem), rng)
    with tempfile.TemporaryDirectory() as there:
        path = Path(there) / PHANTOM_NAME
        write_video(path, synthetic)
        data = path.read_bytes()
    return Sample(Given(PHANTOM_NAME, data), synthetic.representative.plane_ef_percent)
