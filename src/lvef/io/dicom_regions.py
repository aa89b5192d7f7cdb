"""Scale and 2-D region of a DICOM ultrasound picture.

Source: DICOM PS3.3, C.8.5.5 (US Region Calibration Module).
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from lvef.core.records import Box, Notice, PixelSpacing
from lvef.io.dicom_values import items, number, numbers, whole
from lvef.io.scale import checked_spacing

FORMAT_2D, FORMAT_M_MODE, FORMAT_SPECTRAL = 1, 2, 3
"""Region Spatial Format (0018,6012)."""

TYPE_TISSUE, TYPE_COLOUR_FLOW = 1, 2
"""Region Data Type (0018,6014)."""

UNITS_CM = 3
"""Physical Units X and Y Direction (0018,6024) and (0018,6026): centimetres."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Millimetres per pixel or the reason why not, the 2-D region, and what was met."""

    spacing: PixelSpacing | None
    note: str
    region: Box | None
    notices: tuple[Notice, ...]


def tissue_scale(dataset: Dataset, height: int, width: int) -> Scale:
    """Return the scale of the largest 2-D tissue region that fits the frame, else that of Pixel Spacing.

    Args:
        dataset: The header.
        height: Rows of the frames as they lie in the file.
        width: Columns of the frames.
    """
    regions = items(dataset, "SequenceOfUltrasoundRegions")
    notices = _region_notices(regions)
    chosen = _chosen(regions)
    if chosen is None:
        spacing, note = _pixel_spacing(dataset, "it has no 2-D tissue region" if regions else "")
        return Scale(spacing, note, None, notices)
    box = _box(chosen)
    # The last row and column belong to a region. Some writers give the first one outside, hence the + 1.
    fits = 0 <= box.x0 < box.x1 <= width + 1 and 0 <= box.y0 < box.y1 <= height + 1
    if not fits:
        note = (
            f"The region ({box.x0},{box.y0})-({box.x1 - 1},{box.y1 - 1}) that carries the scale does not "
            f"fit the {width} x {height} frame, so it belongs to a picture of another size and is not used."
        )
        return Scale(None, note, None, notices)
    box = Box(box.x0, box.y0, min(box.x1, width), min(box.y1, height))
    spacing, note = _region_spacing(chosen)
    if spacing is None:
        spacing, fallback_note = _pixel_spacing(dataset, "")
        note = note if spacing is None else fallback_note
    return Scale(spacing, note, box, notices)


def _chosen(regions: list[Dataset]) -> Dataset | None:
    plane = [r for r in regions if whole(r, "RegionSpatialFormat") == FORMAT_2D]
    tissue = [r for r in plane if whole(r, "RegionDataType") == TYPE_TISSUE]
    colour = [r for r in plane if whole(r, "RegionDataType") == TYPE_COLOUR_FLOW]
    return max(tissue or colour, key=_area, default=None)


def _region_notices(regions: list[Dataset]) -> tuple[Notice, ...]:
    kinds = [(whole(r, "RegionSpatialFormat"), whole(r, "RegionDataType")) for r in regions]
    tissue_boxes = {
        _box(r) for r, kind in zip(regions, kinds, strict=True) if kind == (FORMAT_2D, TYPE_TISSUE)
    }
    colour = (FORMAT_2D, TYPE_COLOUR_FLOW) in kinds
    traces = any(spatial in (FORMAT_M_MODE, FORMAT_SPECTRAL) for spatial, _ in kinds)
    notices = []
    if len(tissue_boxes) > 1:
        text = f"The file names {len(tissue_boxes)} 2-D regions; the largest is used."
        notices.append(Notice("several_regions", text))
    if colour:
        notices.append(Notice("colour_flow_region", "The file names a colour-flow region."))
    if traces and not tissue_boxes and not colour:
        text = "The file names Doppler or M-mode regions only, and no 2-D picture of the heart."
        notices.append(Notice("doppler_region", text))
    elif traces:
        text = "The file names a Doppler or M-mode region beside the 2-D picture."
        notices.append(Notice("trace_region", text))
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
