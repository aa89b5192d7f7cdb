"""Whether contours have shapes that ventricles have: refusals and warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal
from lvef.core.records import CodedWarning, PixelGeometry, Tracing, aspect_of
from lvef.core.terms import Phase
from lvef.geometry.tracing import DENTS, NARROW_ANNULUS, ROUND, implausible_shape
from lvef.measure.stated_view import NOT_APICAL
from lvef.measure.thresholds import Thresholds

TORN = frozenset({DENTS, NARROW_ANNULUS})
"""What is wrong with a contour that has left the ventricle: it is bent around a wall or ends in a point."""

CONTOURS_REMEDY = (
    "Check the contours; choose ED and ES yourself (--ed-frame, --es-frame), or record the view again."
)
"""What to do where no EF is given because of contours."""

MAX_AXIS_TILT_DEG = 50.0
"""Long axis against the direction of depth, median over frames. 1598 expert masks of CAMUS training patients: at most 36
degrees, to either side; 13 cines of other hospitals: at most 23. In a parasternal or subcostal view the axis lies across."""

MIN_LENGTH_RATIO = 0.6
"""Length of the ventricle at ES as a part of that at ED. Expert masks of 200 CAMUS training patients (A4C): 0.71 to 0.98."""

MAX_ROUND_FRACTION = 0.75
"""Part of the frames on which the cavity may be as round as no expert draws it; in a short axis it is on all."""


def implausible_shapes(tracings: Sequence[Tracing | None], spacing: PixelGeometry | None) -> list[set[str]]:
    """What no expert draws about each contour (`lvef.geometry.tracing`); empty sets for plausible and for untraced frames.

    Args:
        tracings: One a frame, as the volumes are taken from.
        spacing: Scale of the image, or None.
    """
    return [set() if tracing is None else implausible_shape(tracing, spacing) for tracing in tracings]


def check_apical(
    source: str, tracings: Sequence[Tracing | None], odd: Sequence[set[str]], spacing: PixelGeometry | None
) -> None:
    """Refuse clips whose ventricle lies or looks as in another view, whatever the image resembles otherwise.

    Args:
        source: File name for the message.
        tracings: One a frame; the image may be upside down.
        odd: From `implausible_shapes`.
        spacing: Scale of the image, or None; only its ratio matters.

    Raises:
        QualityRefusal: ``not_apical``.
    """
    axes = np.array([t.base - t.apex for t in tracings if t is not None]) * (1.0, aspect_of(spacing))
    tilt = float(np.median(np.rad2deg(np.arctan2(np.abs(axes[:, 0]), np.abs(axes[:, 1])))))
    round_frames = sum(ROUND in reasons for reasons in odd)
    found = ""
    if tilt > MAX_AXIS_TILT_DEG:
        found = f"the long axis lies across the image ({tilt:.0f} degrees from the depth direction)"
    elif round_frames > MAX_ROUND_FRACTION * len(axes):
        found = f"the cavity is round on {round_frames} of {len(axes)} frames, as in a short axis"
    if found:
        raise QualityRefusal(
            NOT_APICAL,
            f"{source}: {found}; an apical four- or two-chamber cine was expected. Choose another clip, or rotate the image "
            "so that depth increases downwards.",
        )


def check_torn(
    source: str, odd: Sequence[set[str]], shown: Sequence[int | None], thresholds: Thresholds
) -> None:
    """Refuse clips on many of whose frames the contour is bent, or pinched at the annulus, as no ventricle is.

    Fewer frames are enough where the EF comes from one of them.

    Args:
        source: File name for the message.
        odd: From `implausible_shapes`.
        shown: ED and ES frame.
        thresholds: The limits.

    Raises:
        QualityRefusal: ``doubtful_contours``.
    """
    torn = sum(bool(reasons & TORN) for reasons in odd)
    here = [name for name, frame in zip(Phase, shown, strict=True) if frame is not None and odd[frame] & TORN]
    if torn > (thresholds.max_torn_share_shown if here else thresholds.max_torn_share) * len(odd):
        among = f", {' and '.join(here)} among them" if here else ""
        raise doubtful_contours(
            f"{source}: the contour is bent or pinched on {torn} of {len(odd)} frames{among}, a shape no ventricle has; it "
            "has probably entered another chamber, and no EF is given."
        )


def implausible_shortening(length: NDArray[np.floating], ed_frame: int, es_frame: int) -> str:
    """What is said of a ventricle that is far shorter at ES than at ED; empty for hearts and for unknown lengths.

    Args:
        length: Of the long axis, one a frame.
        ed_frame: Frame of ED.
        es_frame: Frame of ES.
    """
    ed, es = length[ed_frame], length[es_frame]
    if not (np.isfinite([ed, es]).all() and es < MIN_LENGTH_RATIO * ed):
        return ""
    return (
        f"at ES the ventricle has {es / ed:.0%} of its length at ED, hearts have at least {MIN_LENGTH_RATIO:.0%}: the depth "
        "or zoom was changed, or a contour is wrong"
    )


def check_shortening(source: str, length: NDArray[np.floating], ed_frame: int, es_frame: int) -> None:
    """Refuse clips whose ventricle becomes shorter than any heart's.

    Args:
        source: File name for the message.
        length: Of the long axis, one a frame.
        ed_frame: Frame of ED.
        es_frame: Frame of ES.

    Raises:
        QualityRefusal: ``doubtful_contours``.
    """
    found = implausible_shortening(length, ed_frame, es_frame)
    if found:
        raise doubtful_contours(f"{source}: {found}; no EF is given.")


def doubtful_contours(found: str) -> QualityRefusal:
    """The refusal of a clip whose contours cannot be those of a ventricle, with its remedy.

    Args:
        found: File name, what was found and that no EF is given: whole sentences.
    """
    return QualityRefusal("doubtful_contours", f"{found} {CONTOURS_REMEDY}")


def check_shapes(
    odd: Sequence[set[str]], shown: Sequence[int | None], thresholds: Thresholds
) -> tuple[CodedWarning, ...]:
    """Warn where contours have a shape that no expert draws: on many frames, or on those that are shown as ED and ES.

    Args:
        odd: From `implausible_shapes`.
        shown: ED and ES frame.
        thresholds: The limit.
    """
    many = [reasons for reasons in odd if reasons]
    here = [name for name, frame in zip(Phase, shown, strict=True) if frame is not None and odd[frame]]
    if len(many) <= thresholds.caution_odd_share * len(odd) and not here:
        return ()
    reasons = ", ".join(sorted(set.union(*many)))
    where = f"on {len(many)} of {len(odd)} frames" + (f", {' and '.join(here)} among them" if here else "")
    text = (
        f"The contour has a shape that experts do not draw {where} ({reasons}): it may have left the ventricle. Check the "
        "contours before you use the EF."
    )
    return (CodedWarning("implausible_shape", text),)
