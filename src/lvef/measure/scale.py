"""Whether the scale of a file is plausible for the heart that it shows; where it is not, there are no millilitres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lvef.core.records import Box, Clip, CodedWarning, Tracing, VolumeCurve, shape_of
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.transforms.sector import Sector

MIN_LONG_AXIS_MM, MAX_LONG_AXIS_MM = 25.0, 160.0
"""Range of the left ventricle's long axis at end-diastole, with room: 30 mm in a foetus near term, 70 to 100 in adults, up
to 130 in dilated ventricles. Source: Lang et al., ASE/EACVI 2015, and foetal reference charts."""


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
    return clip if clip.scale is None else _without_scale(clip, text)


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
    if MIN_LONG_AXIS_MM <= longest <= MAX_LONG_AXIS_MM:
        return clip, curve
    note = (
        f"By the scale of the file ({clip.scale.source}) the ventricle would be {longest:.3g} mm long, "
        f"{MIN_LONG_AXIS_MM:g} to {MAX_LONG_AXIS_MM:g} mm were expected: the scale is not used."
    )
    clip = _without_scale(
        replace(clip, notices=(*clip.notices, CodedWarning("implausible_scale", note))), note
    )
    return clip, volume_curve_of_tracings(tracings, clip.times_s, clip.spacing)


def _corners(box: Box) -> str:
    return f"({box.x0},{box.y0})-({box.x1 - 1},{box.y1 - 1})"


def _without_scale(clip: Clip, note: str) -> Clip:
    """The clip with the shape of its pixels only, and a note why."""
    return replace(clip, spacing=shape_of(clip.spacing), spacing_note=note)
