"""Whether the scale of a file is plausible for the heart that it shows; where it is not, there are no millilitres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lvef.core.records import Box, Clip, CodedWarning, Tracing, VolumeCurve, shape_of
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.measure.manual_scale import without_scale
from lvef.transforms.sector import Sector

MIN_LONG_AXIS_MM, MAX_LONG_AXIS_MM = 25.0, 160.0
"""Range of the left ventricle's long axis at end-diastole, with room: 30 mm in a foetus near term, 70 to 100 in adults, up
to 130 in dilated ventricles. Source: Lang et al., ASE/EACVI 2015, and foetal reference charts."""

MANUAL_LONG_AXIS_MM = 50.0, 130.0
"""The same of a scale that the user gave: adults, because a wrong click is more frequent than a small child."""

MANUAL_EDV_ML = 20.0, 500.0
"""End-diastolic volume by such a scale. Normal is 46 to 150 ml; dilated ventricles reach 400. Source: Lang et al."""


def drop_invalid_region(clip: Clip, sector: Sector) -> Clip:
    """The clip as it is, or without scale where its region does not belong to the frames.

    Args:
        clip: Any clip.
        sector: Its sector, from `lvef.transforms.sector.find_sector`.
    """
    box = clip.region
    if box is None or not sector.region_void:
        return clip
    text = (
        f"The region {_corners(box)} that the file names cuts the ultrasound sector {_corners(sector.box)}: it "
        "belongs to an image of another size; neither it nor the scale is used."
    )
    clip = replace(clip, region=None, notices=(*clip.notices, CodedWarning("region_void", text)))
    return clip if clip.scale is None else replace(clip, spacing=shape_of(clip.spacing), spacing_note=text)


def plausible_curve(clip: Clip, tracings: Sequence[Tracing | None]) -> tuple[Clip, VolumeCurve]:
    """Volumes and lengths of a clip's tracings, and the clip without scale where its ventricle cannot be of that size.

    Args:
        clip: A clip, or stills as one.
        tracings: One per frame, None where no ventricle could be traced.
    """
    curve = volume_curve_of_tracings(tracings, clip.times_s, clip.spacing)
    found = curve.length[np.isfinite(curve.length)]
    if clip.scale is None or not len(found):
        return clip, curve
    # That of end-diastole, but no single odd frame.
    longest = float(np.percentile(found, 90))
    manual = clip.scale.is_manual
    low, high = MANUAL_LONG_AXIS_MM if manual else (MIN_LONG_AXIS_MM, MAX_LONG_AXIS_MM)
    largest_ml = float(np.percentile(curve.volume[np.isfinite(curve.volume)], 90))
    if not low <= longest <= high:
        found_text, expected = f"{longest:.3g} mm long", f"{low:g} to {high:g} mm"
    elif manual and not MANUAL_EDV_ML[0] <= largest_ml <= MANUAL_EDV_ML[1]:
        found_text, expected = (
            f"{largest_ml:.3g} ml large",
            f"{MANUAL_EDV_ML[0]:g} to {MANUAL_EDV_ML[1]:g} ml",
        )
    elif not manual:
        return clip, curve
    else:
        text = f"The volumes depend on a scale given by hand ({clip.scale.source}, {clip.scale.y_mm:.3g} mm per pixel)."
        return replace(clip, notices=(*clip.notices, CodedWarning("manual_scale", text))), curve
    whose = "given" if manual else "of the file"
    note = (
        f"By the scale {whose} ({clip.scale.source}), the ventricle would be {found_text}; {expected} were expected. The "
        "scale is not used."
    )
    clip = without_scale(clip, note)
    return clip, volume_curve_of_tracings(tracings, clip.times_s, clip.spacing)


def _corners(box: Box) -> str:
    return f"({box.x0},{box.y0})-({box.x1 - 1},{box.y1 - 1})"
