"""Two files as two views of a study or two phases of a heart: what is compared, refused, warned of; stills as one clip."""

from __future__ import annotations

import filecmp
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, CodedWarning, FloatArray, FrameArray, Measurement, shape_of
from lvef.core.terms import View

SAME_CONTENT = "same_content"
"""Code of the refusal of one file or clip given twice."""

SAME_CLIP = 0.9
"""Correlation of what moves in two clips from which on they are copies of one: a lossless copy has 1, one coded again above
0.95, two views of one phantom 0.0 to 0.2."""

VIEWS_SWAPPED = "views_swapped"
"""Code of the warning that the A4C was given as the A2C and the reverse."""

RATES_DIFFER = 0.1
"""Heart rates that differ by more than this share of the higher are warned of, as cycles are in `lvef.geometry.simpson`."""

FRAME_RATES_DIFFER = 2.0
"""Frame rates of which one is more than so many times the other are warned of."""

_SIDE_PX, _MOST_FRAMES = 32, 48


def check_different_files(first: Path, second: Path, needed: str) -> None:
    """Refuse one file that is given twice, also under two names.

    Args:
        first: A file; one that cannot be read is left to the reader that opens it.
        second: Another.
        needed: What was expected instead.

    Raises:
        QualityRefusal: Both hold the same bytes.
    """
    try:
        same = first.samefile(second) or filecmp.cmp(first, second, shallow=False)
    except OSError:
        return
    if same:
        raise _same(first, second, "hold the same file", needed)


def check_different_clips(first: Clip, second: Clip, needed: str) -> None:
    """Refuse the same clip given twice, also with other coding or at another size.

    Args:
        first: A clip or still.
        second: Another.
        needed: What was expected instead.

    Raises:
        QualityRefusal: Both show the same images.
    """
    if is_same_clip(first.frames, second.frames):
        raise _same(first.source, second.source, "show the same images", needed)


def is_same_clip(first: FrameArray, second: FrameArray) -> bool:
    """Whether two clips show the same images, from equal starts or to equal ends, mirrored or not.

    Compared is what moves, at a coarse size: two views of a heart look alike as a whole, but do not move alike.

    Args:
        first: ``(n, height, width)``.
        second: ``(m, height, width)``.
    """
    if first.shape == second.shape and np.array_equal(first, second):
        return True
    n = min(len(first), len(second))
    if n < 2:
        return False
    ways = ((part, step) for part in (slice(None, n), slice(-n, None)) for step in (1, -1))
    return any(
        _correlation(_moving(first[part]), _moving(second[part])[..., ::step]) > SAME_CLIP
        for part, step in ways
    )


def patient_warnings(first: Path, second: Path) -> list[CodedWarning]:
    """Warnings where two DICOM files name two persons or two examinations. What they say is compared and never shown."""
    # Here, because importing pydicom takes a quarter of a second, which a video need not wait for.
    from lvef.io.dicom_header import read_dicom_identity

    one, other = read_dicom_identity(first), read_dicom_identity(second)
    if one is None or other is None:
        return []
    known = [(a, b) for a, b in ((one.patient, other.patient), (one.person, other.person)) if a and b]
    if known and known[0][0] != known[0][1]:
        text = (
            "The headers of the two files name different patients: an EF of both together has no meaning. "
            "Check that they belong together."
        )
        return [CodedWarning("patients_differ", text)]
    if one.study and other.study and one.study != other.study:
        text = "The two files are of different examinations (Study Instance UID): the heart may have changed between them."
        return [CodedWarning("studies_differ", text)]
    return []


def given_view_warnings(clips: Mapping[View, Clip]) -> list[CodedWarning]:
    """Warnings where a file names another view than it was given as.

    Args:
        clips: By the view that the user says they show.
    """
    stated = {given: clip.view for given, clip in clips.items() if clip.view not in (View.UNKNOWN, given)}
    if len(stated) > 1:
        text = "By their headers the two files are swapped: the A4C is the A2C, and the A2C is the A4C."
        return [CodedWarning(VIEWS_SWAPPED, text)]
    text = "The file given as {} states that it shows the {}: check the view."
    return [CodedWarning("view_contradicts_file", text.format(given, own)) for given, own in stated.items()]


def acquisition_warnings(
    four: Measurement, two: Measurement, known: Sequence[CodedWarning]
) -> list[CodedWarning]:
    """Warnings where two views were not recorded alike.

    Args:
        four: A4C.
        two: A2C.
        known: Warnings about the pair so far: cycles that differ are reported once.
    """
    notices = []
    rates = four.heart_rate_bpm or 0.0, two.heart_rate_bpm or 0.0
    is_new = rates[0] and rates[1] and not any(notice.code == "cycles_differ" for notice in known)
    if is_new and abs(rates[0] - rates[1]) > RATES_DIFFER * max(rates[0], rates[1]):
        text = (
            f"The heart rates differ by more than {RATES_DIFFER:.0%} ({rates[0]:.0f}/min in A4C, "
            f"{rates[1]:.0f}/min in A2C): the two views were not recorded in the same state of the heart."
        )
        notices.append(CodedWarning("heart_rates_differ", text))
    frames = four.frame_rate_hz, two.frame_rate_hz
    if frames[0] and frames[1] and max(frames[0], frames[1]) > FRAME_RATES_DIFFER * min(frames[0], frames[1]):
        text = (
            f"The A4C has {frames[0]:.3g} frames a second and the A2C {frames[1]:.3g}: ED and ES are less exact "
            "in the slower one."
        )
        notices.append(CodedWarning("frame_rates_differ", text))
    return notices


def view_warnings(views: Mapping[str, Measurement]) -> list[CodedWarning]:
    """The warnings of the views of a study, each with its view in front; one that all have stands once.

    Args:
        views: By their names.
    """
    of_text: dict[tuple[str, str], list[str]] = {}
    for view, measurement in views.items():
        for notice in measurement.notices:
            named = of_text.setdefault((notice.code, notice.text), [])
            if view not in named:
                named.append(view)
    return [CodedWarning(code, f"{' and '.join(named)}: {text}") for (code, text), named in of_text.items()]


def _same(first: object, second: object, what: str, needed: str) -> QualityRefusal:
    return QualityRefusal(
        SAME_CONTENT, f"{first} and {second} {what}; {needed} were expected: give the other one."
    )


def _moving(frames: FrameArray) -> FloatArray:
    """What moves in a clip: coarse frames without their mean, ``(k, side, side)``."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).round().astype(int))
    coarse = np.stack(
        [cv2.resize(frames[i], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) for i in places]
    )
    return np.asarray(coarse - coarse.mean(axis=0), dtype=np.float64)


def _correlation(first: FloatArray, second: FloatArray) -> float:
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else 0.0


def pair_of_stills(stills: list[Clip], source: str) -> Clip:
    """Two stills as one clip of two frames, the smaller image padded at its right and lower side.

    Args:
        stills: ED, then ES; one frame each.
        source: Name of the pair.

    Raises:
        QualityRefusal: A file with more than one frame, or stills whose scales differ or cannot be compared.
    """
    for still in stills:
        if len(still.frames) != 1:
            raise QualityRefusal(
                "not_a_still",
                f"{still.source}: {len(still.frames)} frames were found; one still was expected.",
            )
    shapes = [still.frames[0].shape for still in stills]
    ed, es = stills
    scales = [still.scale for still in stills]
    if shapes[0] != shapes[1] and None in scales:
        raise QualityRefusal(
            "different_size",
            f"{source}: the stills are {shapes[0][1]} x {shapes[0][0]} and {shapes[1][1]} x {shapes[1][0]} pixels without "
            "a scale; both must have the same scale for an EF. Export them in the same way.",
        )
    if not _alike(ed, es):
        raise QualityRefusal(
            "different_scale", f"{source}: the stills have different scales; export them at the same depth."
        )
    height, width = np.max(shapes, axis=0)
    frames = np.zeros((2, height, width), np.uint8)
    for target, still in zip(frames, stills, strict=True):
        h, w = still.frames[0].shape
        target[:h, :w] = still.frames[0]
    # One scale alone says how large its own still is, and the shape of the other's pixels.
    shape = shape_of(ed.spacing or es.spacing)
    return replace(
        ed,
        frames=frames,
        times_s=np.array([0.0, 1.0]),
        timing="none (two stills)",
        source=source,
        spacing=shape if None in scales else ed.spacing,
        spacing_note=ed.spacing_note or es.spacing_note,
        region=None,
        notices=tuple(dict.fromkeys((*ed.notices, *es.notices))),
    )


def _alike(ed: Clip, es: Clip) -> bool:
    """Whether nothing that is known of the two stills' pixels differs."""
    if ed.scale and es.scale:
        pairs = [(ed.scale.x_mm, es.scale.x_mm), (ed.scale.y_mm, es.scale.y_mm)]
    elif ed.spacing and es.spacing:
        pairs = [(ed.pixel_aspect, es.pixel_aspect)]
    else:
        pairs = []
    return all(math.isclose(one, other, rel_tol=0.01) for one, other in pairs)
