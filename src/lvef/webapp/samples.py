"""Clips for a visitor without a file: real cines that come with installed packages, and phantoms whose EF is known."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lvef.core.errors import DataError
from lvef.core.terms import View
from lvef.webapp.sessions import CLIP, STILLS, STUDY

if TYPE_CHECKING:
    from lvef.synthesis.truth import SyntheticClip


class SampleFile(NamedTuple):
    """A file of a sample: its name and bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """What a visitor may try.

    Attributes:
        name: In addresses.
        label: On its button.
        help: What it is.
        kind: Of the item that it becomes.
        files: Makes its files, in order, and its true EF, which only phantoms have.
        is_there: Whether it can be made on this machine.
    """

    name: str
    label: str
    help: str
    kind: str
    files: Callable[[], tuple[list[SampleFile], float | None]]
    is_there: Callable[[], bool] = lambda: True


def samples() -> list[Sample]:
    """The samples that can be made on this machine."""
    return [sample for sample in SAMPLES if sample.is_there()]


def sample_of(name: str) -> Sample | None:
    """A sample by its name, or None."""
    return next((sample for sample in samples() if sample.name == name), None)


def _cine() -> tuple[list[SampleFile], None]:
    from lvef.io.open import sample_cine

    return [SampleFile("real-echo.dcm", sample_cine().read_bytes())], None


def _long_cine() -> tuple[list[SampleFile], None]:
    path = _long_cine_path()
    if path is None:
        raise DataError("The long cine is not installed.")
    return [SampleFile("apical-cine.dcm", path.read_bytes())], None


@cache
def _long_cine_path() -> Path | None:
    from lvef.io.open import long_sample_cine

    return long_sample_cine()


@cache
def _phantom() -> tuple[list[SampleFile], float]:
    made = phantom_clip(View.A4C)
    return [SampleFile("phantom.avi", _video_bytes(made))], made.representative.plane_ef_percent


@cache
def _stills() -> tuple[list[SampleFile], float]:
    from lvef.io.images import encode_image

    made = phantom_clip(View.A4C)
    beat = made.representative
    files = []
    for phase, frame in (("ed", beat.ed_frame), ("es", beat.es_frame)):
        files.append(SampleFile(f"phantom-{phase}.png", encode_image(made.clip.frames[frame], ".png")))
    return files, beat.plane_ef_percent


@cache
def _study() -> tuple[list[SampleFile], float]:
    made = [(view, phantom_clip(view)) for view in (View.A4C, View.A2C)]
    files = [SampleFile(f"phantom-{view}.avi", _video_bytes(clip)) for view, clip in made]
    return files, made[0][1].representative.ef_percent


@cache
def phantom_clip(view: View) -> SyntheticClip:
    """The phantom of ``lvef demo --phantom``, seen in a view."""
    from lvef.synthesis.phantom.render import sample_phantom

    return sample_phantom(view)


def _video_bytes(made: SyntheticClip) -> bytes:
    from lvef.stores.synthetic_files import write_video

    with tempfile.TemporaryDirectory(prefix="lvef-") as folder:
        path = Path(folder) / "phantom.avi"
        write_video(path, made)
        return path.read_bytes()


SAMPLES = (
    Sample(
        "long-cine",
        "Real echo, 4 seconds",
        "An apical cine of several beats with its scale: EF and volumes.",
        CLIP,
        _long_cine,
        lambda: _long_cine_path() is not None,
    ),
    Sample("cine", "Real echo", "A short apical four-chamber cine that comes with pydicom.", CLIP, _cine),
    Sample("phantom", "Synthetic phantom", "Its true EF is shown beside the measured one.", CLIP, _phantom),
    Sample("stills", "Phantom, ED and ES stills", "Two stills of the phantom.", STILLS, _stills),
    Sample("study", "Phantom, biplane study", "Both apical views of one phantom.", STUDY, _study),
)
"""All samples, in the order of the page."""
