"""Clips that are there without anybody's file: a real cine out of pydicom, and synthetic phantoms whose EF is known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lvef.core.terms import View
from lvef.io.open import sample_cine
from lvef.webapp.measuring import SampleFile

if TYPE_CHECKING:
    from lvef.synthesis.truth import SyntheticClip


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip of our own and, for a synthetic phantom, its EF by disks in the plane of the film."""

    upload: SampleFile
    known_ef_percent: float | None = None


def cine() -> Sample:
    """The real apical cine.

    Raises:
        DataError: It is missing from the installed pydicom.
    """
    return Sample(SampleFile("real-echo.dcm", sample_cine().read_bytes()))


@cache
def phantom() -> Sample:
    """The synthetic phantom as a film; made once a process."""
    made = phantom_clip(View.A4C)
    return Sample(SampleFile("phantom.avi", _film(made)), made.representative.plane_ef_percent)


@cache
def phantom_stills() -> tuple[Sample, Sample]:
    """ED and ES of the synthetic phantom as PNG pictures."""
    import cv2

    made = phantom_clip(View.A4C)
    beat = made.representative
    pair = []
    for word, frame in (("ed", beat.ed_frame), ("es", beat.es_frame)):
        done, packed = cv2.imencode(".png", made.clip.frames[frame])
        assert done
        pair.append(Sample(SampleFile(f"phantom-{word}.png", packed.tobytes()), beat.plane_ef_percent))
    return pair[0], pair[1]


@cache
def phantom_study() -> tuple[Sample, Sample]:
    """Both views of one synthetic phantom; the EF that is known is that of the body in space."""
    films = []
    for view in (View.A4C, View.A2C):
        made = phantom_clip(view)
        films.append(Sample(SampleFile(f"phantom-{view}.avi", _film(made)), made.representative.ef_percent))
    return films[0], films[1]


@cache
def phantom_clip(view: View) -> SyntheticClip:
    """The phantom of ``lvef demo --phantom``, seen in a view."""
    from lvef.synthesis.phantom.render import sample_phantom

    return sample_phantom(view)


def _film(made: SyntheticClip) -> bytes:
    from lvef.stores.synthetic_files import write_video

    with tempfile.TemporaryDirectory() as there:
        path = Path(there) / "phantom.avi"
        write_video(path, made)
        return path.read_bytes()
