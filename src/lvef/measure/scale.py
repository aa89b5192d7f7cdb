"""The scale of a clip: one that the user gives, and whether it is plausible for the sector and heart that the clip shows.

The user gives millimetres per pixel, or a line of known length. Where no scale is plausible, there are no millilitres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lvef.core.errors import ConfigError, GeometryError
from lvef.core.records import (
    MANUAL,
    Box,
    Clip,
    CodedWarning,
    PixelGeometry,
    PixelSpacing,
    Tracing,
    VolumeCurve,
    aspect_of,
    shape_of,
)
from lvef.core.terms import View
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.io.limits import MAX_SPACING_MM, MIN_SPACING_MM
from lvef.measure.options import MeasureOptions, ScaleLine
from lvef.transforms.sector import Sector

MIN_LINE_PX = 20.0
"""A shorter line has no exact length: one pixel at either end is 10 % of it."""

MIN_DEPTH_MM, MAX_DEPTH_MM = 40.0, 400.0
"""Depth that the sector's height may have. Adults are imaged at 120 to 240 mm; a sector zoomed to the ventricle, or a small
child, at 40 and more; no cardiac transducer reaches 400."""

SAME_SCALE = 0.02
"""Two scales that differ by less than this part are the same, rounded."""

MIN_LONG_AXIS_MM, MAX_LONG_AXIS_MM = 25.0, 160.0
"""Range of the left ventricle's long axis at end-diastole, with room: 30 mm in a foetus near term, 70 to 100 in adults, up
to 130 in dilated ventricles. Source: Lang et al., ASE/EACVI 2015, and foetal reference charts."""

MANUAL_LONG_AXIS_MM = 50.0, 130.0
"""The same of a scale that the user gave: adults, because a wrong click is more frequent than a small child."""

MANUAL_EDV_ML = 20.0, 500.0
"""End-diastolic volume by such a scale. Normal is 46 to 150 ml; dilated ventricles reach 400. Source: Lang et al."""

Point = tuple[float, float]
"""(x, y) in pixels of the image as it lies in the file, 0 the middle of the first."""


def spacing_of_line(
    ends: Sequence[Point], length_mm: float, size: tuple[int, int], geometry: PixelGeometry | None = None
) -> PixelSpacing:
    """The scale by a line of known length, such as two depth marks.

    Args:
        ends: Both ends of the line.
        length_mm: Its length, above 0.
        size: Height and width of the image in pixels.
        geometry: What the file says of its pixels; only their shape is taken from it.

    Raises:
        GeometryError: An end outside of the image, a line without length, or one that gives no scale of an echo image.

    Example:
        >>> spacing_of_line([(50, 10), (50, 210)], 100.0, (240, 320))
        PixelSpacing(x_mm=0.5, y_mm=0.5, source='manual: line of 100 mm')
    """
    (x1, y1), (x2, y2) = ends
    height, width = size
    line = f"({x1:g},{y1:g})-({x2:g},{y2:g})"
    _check_line((x1, y1, x2, y2, length_mm))
    for x, y in ends:
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            raise GeometryError(
                f"The line of known length {line} leaves the image of {width} x {height} pixels; give two "
                f"points inside the image."
            )
    aspect = aspect_of(geometry)
    x_mm = length_mm / math.hypot(x2 - x1, aspect * (y2 - y1))
    if not all(MIN_SPACING_MM <= side <= MAX_SPACING_MM for side in (x_mm, aspect * x_mm)):
        raise GeometryError(
            f"The line {line} of {length_mm:g} mm gives {x_mm:.3g} mm per pixel; {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} "
            "were expected. Check its ends and its length, which is in millimetres."
        )
    return PixelSpacing(x_mm, aspect * x_mm, f"{MANUAL}: line of {length_mm:g} mm")


def check_scale_options(options: MeasureOptions) -> None:
    """Refuse scales that cannot be, before any file is read.

    Raises:
        ConfigError: With what was expected.
    """
    for mm_per_px, line in (
        (options.mm_per_px, options.scale_line),
        (options.a2c_mm_per_px, options.a2c_scale_line),
    ):
        if mm_per_px is not None and line is not None:
            raise ConfigError("Give either millimetres per pixel or a line of known length, not both.")
        if mm_per_px is not None and not MIN_SPACING_MM <= mm_per_px <= MAX_SPACING_MM:
            raise ConfigError(
                f"{mm_per_px:g} mm per pixel cannot be the scale of an echo image; {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} "
                "were expected."
            )
        if line is not None:
            try:
                _check_line(line)
            except GeometryError as error:
                raise ConfigError(str(error)) from None


def options_of_view(options: MeasureOptions, view: View) -> MeasureOptions:
    """The settings for one view of a biplane study: the A2C may have a scale of its own.

    Args:
        options: Of the study.
        view: A4C or A2C.
    """
    own = options.a2c_mm_per_px, options.a2c_scale_line
    if view is View.A2C and (options.a2c_keeps_scale or any(one is not None for one in own)):
        options = replace(options, mm_per_px=own[0], scale_line=own[1])
    return replace(options, a2c_mm_per_px=None, a2c_scale_line=None, a2c_keeps_scale=False)


def with_manual_scale(clip: Clip, sector: Sector, options: MeasureOptions) -> Clip:
    """The clip with the scale that the user gave, where the file has none of its own and the depth is plausible.

    Args:
        clip: Any clip.
        sector: Its sector.
        options: Settings.

    Raises:
        GeometryError: The line of known length leaves the image.
    """
    given = _given(clip, options)
    if given is None:
        return clip
    own = clip.scale
    if own is not None:
        clip = _with_difference(clip, own, given, options)
        if not options.prefer_manual_scale:
            return clip
    depth_mm = sector.box.height * given.y_mm
    if MIN_DEPTH_MM <= depth_mm <= MAX_DEPTH_MM:
        return replace(clip, spacing=given, spacing_note="")
    note = (
        f"By the scale given ({given.source}), the ultrasound sector would be {depth_mm:.3g} mm deep; {MIN_DEPTH_MM:g} to "
        f"{MAX_DEPTH_MM:g} mm were expected. The scale is not used."
    )
    return without_scale(clip, note)


def without_scale(clip: Clip, note: str) -> Clip:
    """The clip with the shape of its pixels only, a warning, and a note why.

    Args:
        clip: With an implausible scale.
        note: The reason, one sentence.
    """
    notice = CodedWarning("implausible_scale", note)
    return replace(clip, spacing=shape_of(clip.spacing), spacing_note=note, notices=(*clip.notices, notice))


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


def _given(clip: Clip, options: MeasureOptions) -> PixelSpacing | None:
    """The scale that the user gave for a clip, or None."""
    if options.scale_line is not None:
        x1, y1, x2, y2, length_mm = options.scale_line
        height, width = clip.frames.shape[1:]
        try:
            return spacing_of_line([(x1, y1), (x2, y2)], length_mm, (height, width), clip.spacing)
        except GeometryError as error:
            raise GeometryError(f"{clip.source}: {error}") from None
    if options.mm_per_px is None:
        return None
    y_mm = options.mm_per_px
    return PixelSpacing(y_mm / clip.pixel_aspect, y_mm, f"{MANUAL}: millimetres per pixel")


def _with_difference(clip: Clip, own: PixelSpacing, given: PixelSpacing, options: MeasureOptions) -> Clip:
    """The clip, with a warning where its own scale and the given one differ."""
    apart = given.y_mm / own.y_mm - 1
    if abs(apart) <= SAME_SCALE:
        return clip
    used = (
        "the scale given is used."
        if options.prefer_manual_scale
        else "that of the file is used; --prefer-manual-scale takes the one given."
    )
    more, volume = "less" if apart < 0 else "more", abs((1 + apart) ** 3 - 1)
    text = (
        f"The scale given is {given.y_mm:.3g} mm per pixel, that of the file ({own.source}) {own.y_mm:.3g}: "
        f"{abs(apart):.0%} {more} than the file's, volumes by {volume:.0%}; {used}"
    )
    return replace(clip, notices=(*clip.notices, CodedWarning("scale_contradicts_file", text)))


def _check_line(line: ScaleLine) -> None:
    x1, y1, x2, y2, length_mm = line
    if not all(map(math.isfinite, line)):
        raise GeometryError(
            "A line of known length has five numbers: x1, y1, x2, y2 in pixels and its length in mm."
        )
    if length_mm <= 0:
        raise GeometryError(
            f"A line of {length_mm:g} mm was given; its length in millimetres must be above 0."
        )
    length_px = math.hypot(x2 - x1, y2 - y1)
    if length_px < MIN_LINE_PX:
        raise GeometryError(
            f"The line ({x1:g},{y1:g})-({x2:g},{y2:g}) is {length_px:.3g} pixels long; at least {MIN_LINE_PX:g} are needed "
            "for an exact scale. Choose points that are farther apart."
        )


def _corners(box: Box) -> str:
    return f"({box.x0},{box.y0})-({box.x1 - 1},{box.y1 - 1})"
