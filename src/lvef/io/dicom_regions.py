"""Scale and 2-D region of a DICOM ultrasound picture.

Source: DICOM PS3.3, C.8.5.5 (US Region Calibration Module).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from lvef.core.records import Box, CodedWarning, PixelAspect, PixelGeometry, PixelSpacing, shape_of
from lvef.io.dicom_values import items, number, numbers, whole
from lvef.io.scale import checked_aspect, checked_spacing

FORMAT_2D, FORMAT_M_MODE, FORMAT_SPECTRAL = 1, 2, 3
"""Region Spatial Format (0018,6012)."""

SAME = 0.02
"""Two statements of one length or shape that differ by less than this part are the same, rounded."""

ASPECT = "Pixel Aspect Ratio"
"""What tells the shape of a pixel where nothing tells its size."""

TYPE_TISSUE, TYPE_COLOUR_FLOW = 1, 2
"""Region Data Type (0018,6014)."""

UNITS_CM = 3
"""Physical Units X and Y Direction (0018,6024) and (0018,6026): centimetres."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Size or at least shape of a pixel, why there is no size, the 2-D region and the others, and what was met."""

    spacing: PixelGeometry | None
    note: str
    region: Box | None
    other_regions: tuple[Box, ...]
    notices: tuple[CodedWarning, ...]


def read_tissue_scale(dataset: Dataset, height: int, width: int, stream_aspect: float | None = None) -> Scale:
    """Return the scale of the largest 2-D tissue region that fits the frame, else that of Pixel Spacing.

    Where neither is there, Pixel Aspect Ratio still tells the shape of a pixel.

    Args:
        dataset: The header.
        height: Rows of the frames as they lie in the file.
        width: Columns of the frames.
        stream_aspect: Height of a pixel over its width as a video stream inside states it, or None.
    """
    found = _scale(dataset, height, width)
    shape, notices = _pixel_aspect(dataset)
    if shape is None and not notices and stream_aspect is not None:
        shape, notices = checked_aspect(stream_aspect, "sample aspect ratio")
    if shape is None:
        return replace(found, notices=(*found.notices, *notices))
    if found.spacing is None:
        return replace(found, spacing=shape_of(shape), notices=(*found.notices, *notices))
    if not math.isclose(shape.aspect, found.spacing.aspect, rel_tol=SAME):
        text = (
            f"{shape.source} says that pixels are {shape.aspect:.3g} times as high as wide, {found.spacing.source} says "
            f"{found.spacing.aspect:.3g}: the latter is assumed."
        )
        notices = (*notices, CodedWarning("contradictory_aspect", text))
    return replace(found, notices=(*found.notices, *notices))


def _scale(dataset: Dataset, height: int, width: int) -> Scale:
    regions = items(dataset, "SequenceOfUltrasoundRegions")
    notices = _region_notices(regions)
    chosen = _chosen(regions)
    if chosen is None:
        spacing, note = _pixel_spacing(dataset, "it has no 2-D tissue region" if regions else "")
        return Scale(spacing, note, None, (), notices)
    others = tuple(_box(region) for region in regions if region is not chosen)
    box = _box(chosen)
    # The last row and column belong to a region. Some writers give the first one outside, hence the + 1.
    fits = 0 <= box.x0 < box.x1 <= width + 1 and 0 <= box.y0 < box.y1 <= height + 1
    if not fits:
        note = (
            f"The region ({box.x0},{box.y0})-({box.x1 - 1},{box.y1 - 1}) that carries the scale does not "
            f"fit the {width} x {height} frame, so it belongs to a picture of another size and is not used."
        )
        return Scale(None, note, None, (), notices)
    box = Box(box.x0, box.y0, min(box.x1, width), min(box.y1, height))
    spacing, note = _region_spacing(chosen)
    other, _ = _pixel_spacing(dataset, "")
    if spacing is None and other is not None:
        spacing, note = other, ""
    elif spacing is not None and other is not None and not _same(spacing, other):
        text = (
            f"Pixel Spacing says {other.x_mm:.3g} x {other.y_mm:.3g} mm per pixel, the ultrasound region "
            f"{spacing.x_mm:.3g} x {spacing.y_mm:.3g}: the latter is assumed."
        )
        notices = (*notices, CodedWarning("contradictory_scale", text))
    return Scale(spacing, note, box, others, notices)


def _same(one: PixelSpacing, other: PixelSpacing) -> bool:
    return math.isclose(one.x_mm, other.x_mm, rel_tol=SAME) and math.isclose(
        one.y_mm, other.y_mm, rel_tol=SAME
    )


def _pixel_aspect(dataset: Dataset) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Pixel Aspect Ratio (0028,0034): height and width of a pixel. Source: PS3.3, C.7.6.3.1.7."""
    told = numbers(dataset, "PixelAspectRatio")
    if len(told) == 2 and told[1]:
        shape, notices = checked_aspect(told[0] / told[1], ASPECT)
        return (PixelAspect(1.0, ASPECT) if shape is None and not notices else shape), notices
    if dataset.get("PixelAspectRatio") in (None, ""):
        return None, ()
    text = f"The file's {ASPECT} is not two numbers above 0: square pixels are assumed."
    return None, (CodedWarning("bad_aspect", text),)


def _chosen(regions: list[Dataset]) -> Dataset | None:
    plane = [r for r in regions if whole(r, "RegionSpatialFormat") == FORMAT_2D]
    tissue = [r for r in plane if whole(r, "RegionDataType") == TYPE_TISSUE]
    colour = [r for r in plane if whole(r, "RegionDataType") == TYPE_COLOUR_FLOW]
    return max(tissue or colour, key=_area, default=None)


def _region_notices(regions: list[Dataset]) -> tuple[CodedWarning, ...]:
    kinds = [(whole(r, "RegionSpatialFormat"), whole(r, "RegionDataType")) for r in regions]
    tissue_boxes = {
        _box(r) for r, kind in zip(regions, kinds, strict=True) if kind == (FORMAT_2D, TYPE_TISSUE)
    }
    colour = (FORMAT_2D, TYPE_COLOUR_FLOW) in kinds
    traces = any(spatial in (FORMAT_M_MODE, FORMAT_SPECTRAL) for spatial, _ in kinds)
    notices = []
    if len(tissue_boxes) > 1:
        text = f"The file names {len(tissue_boxes)} 2-D regions; the largest is used."
        notices.append(CodedWarning("several_regions", text))
    if colour:
        notices.append(CodedWarning("colour_flow_region", "The file names a colour-flow region."))
    if traces and not tissue_boxes and not colour:
        text = "The file names Doppler or M-mode regions only, and no 2-D picture of the heart."
        notices.append(CodedWarning("doppler_region", text))
    elif traces:
        text = "The file names a Doppler or M-mode region beside the 2-D picture."
        notices.append(CodedWarning("trace_region", text))
    return tuple(notices)


def _region_spacing(region: Dataset) -> tuple[PixelSpacing | None, str]:
    units = whole(region, "PhysicalUnitsXDirection"), whole(region, "PhysicalUnitsYDirection")
    if units != (UNITS_CM, UNITS_CM):
        return (
            None,
            f"The 2-D region's physical units are {units[0]} and {units[1]}, expected {UNITS_CM} (cm).",
        )
    x_cm, y_cm = number(region, "PhysicalDeltaX"), number(region, "PhysicalDeltaY")
    if not x_cm or not y_cm:
        return None, "The 2-D region's physical delta is missing or zero."
    return checked_spacing(10.0 * x_cm, 10.0 * y_cm, "Sequence of Ultrasound Regions")


def _pixel_spacing(dataset: Dataset, otherwise: str) -> tuple[PixelSpacing | None, str]:
    rows_columns = numbers(dataset, "PixelSpacing")
    if rows_columns == [1.0, 1.0]:
        return None, "The Pixel Spacing of 1 x 1 is what software writes that knows no scale: it is not used."
    if len(rows_columns) == 2:
        return checked_spacing(rows_columns[1], rows_columns[0], "Pixel Spacing")
    reason = f": {otherwise}" if otherwise else ""
    return None, f"The file has no scale (ultrasound region or Pixel Spacing){reason}."


def _box(region: Dataset) -> Box:
    return Box(
        whole(region, "RegionLocationMinX0"),
        whole(region, "RegionLocationMinY0"),
        whole(region, "RegionLocationMaxX1", -1) + 1,
        whole(region, "RegionLocationMaxY1", -1) + 1,
    )


def _area(region: Dataset) -> int:
    box = _box(region)
    return max(0, box.width) * max(0, box.height)
