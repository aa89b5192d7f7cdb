"""What a DICOM header says: single values, the scale and regions of the frames, and digests of the person.

pydicom's warnings and errors may quote what is said of a person: they are silenced, and none of their texts is passed on.

Source: DICOM PS3.3, C.8.5.5 (US Region Calibration Module).
"""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import cv2
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from lvef.core.errors import DicomError
from lvef.core.records import Box, CodedWarning, PixelAspect, PixelGeometry, PixelSpacing, shape_of
from lvef.core.terms import Sex
from lvef.io.formats import DICOM, format_of_file
from lvef.io.limits import check_aspect, check_spacing

MIN_HEART_RATE_BPM, MAX_HEART_RATE_BPM = 20.0, 300.0
"""Range outside of which a heart rate is a filler (0 is what scanners write without an ECG) or a mistake."""

FORMAT_2D, FORMAT_M_MODE, FORMAT_SPECTRAL = 1, 2, 3
"""Region Spatial Format (0018,6012)."""

TYPE_TISSUE, TYPE_COLOUR_FLOW = 1, 2
"""Region Data Type (0018,6014)."""

UNITS_CM = 3
"""Physical Units X and Y Direction (0018,6024) and (0018,6026): centimetres."""

ROUNDING = 0.02
"""Two values of one length or shape that differ by less than this part are the same, rounded."""

ASPECT = "Pixel Aspect Ratio"
"""Gives the shape of a pixel where nothing gives its size."""

CONVERSION_ERRORS = (
    *(
        BytesLengthException,
        ValueError,
        TypeError,
        ArithmeticError,
        AttributeError,
        KeyError,
        NotImplementedError,
    ),
)
"""What pydicom raises when an element's value is not what its kind allows; the text quotes the value."""

DECODE_ERRORS = (
    *(*CONVERSION_ERRORS, IndexError, RuntimeError, OSError, EOFError, SyntaxError, MemoryError),
    *(struct.error, zlib.error, cv2.error, Image.DecompressionBombError),
)
"""What pydicom and the decoders raise on damaged data; none of their texts is passed on, they may quote the header."""

_KEY = secrets.token_bytes(32)
"""Of this process alone: a digest does not identify anyone."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log lines from the user, from logs and from ``-W error``."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def float_values(dataset: Dataset, keyword: str) -> list[float]:
    """Return the finite numbers of an element, [] where it is absent or is not made of numbers."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        many = value if isinstance(value, list | tuple) or hasattr(value, "__iter__") else [value]
        found = [float(v) for v in many if not isinstance(v, str) or v.strip()]
    except CONVERSION_ERRORS:
        return []
    return found if all(math.isfinite(v) for v in found) else []


def float_value(dataset: Dataset, keyword: str) -> float | None:
    """Return the first number of an element, or None."""
    found = float_values(dataset, keyword)
    return found[0] if found else None


def int_value(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """Return an element as int, or ``default``."""
    found = float_value(dataset, keyword)
    return default if found is None else int(found)


def text_value(dataset: Dataset, keyword: str) -> str:
    """Return an element as stripped upper-case text, empty where it is absent. Only for coded values."""
    try:
        value = dataset.get(keyword)
    except CONVERSION_ERRORS:
        return ""
    return "" if value is None else str(value).strip().upper()


def sequence_items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence, [] where it is absent or broken."""
    try:
        value = dataset.get(keyword)
        return [] if value is None else list(value)
    except CONVERSION_ERRORS:
        return []


def read_sex(dataset: Dataset) -> Sex | None:
    """Return Patient's Sex (0010,0040), or None where it is neither F nor M."""
    return {"F": Sex.FEMALE, "M": Sex.MALE}.get(text_value(dataset, "PatientSex"))


def read_heart_rate_bpm(dataset: Dataset) -> float | None:
    """Return Heart Rate (0018,1088) in beats per minute, or None where it is absent or a filler."""
    rate = float_value(dataset, "HeartRate")
    return rate if rate is not None and MIN_HEART_RATE_BPM <= rate <= MAX_HEART_RATE_BPM else None


def read_header(file: BinaryIO, source: str) -> Dataset:
    """Read up to the pixel data; there is then an image, and the transfer syntax is set.

    Args:
        file: The open file; it then stands at the pixel data.
        source: The file's name as the user gave it.

    Raises:
        DicomError: when the header is damaged or is not that of an image.
    """
    try:
        dataset = dcmread(file, stop_before_pixels=True, force=True)
    except (InvalidDicomError, NotImplementedError, *DECODE_ERRORS):
        raise DicomError(
            f"{source} begins like a DICOM file, but its header is damaged or cut off: export it again."
        ) from None
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        meta = dataset.file_meta = FileMetaDataset()
    storage = UID(text_value(meta, "MediaStorageSOPClassUID") or text_value(dataset, "SOPClassUID"))
    if storage == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in dataset:
        raise DicomError(
            f"{source} is a DICOMDIR, an index without images: give the folder or the files it lists."
        )
    if not int_value(dataset, "Rows") or not int_value(dataset, "Columns"):
        kind = storage.name if storage and storage.name != str(storage) else "unknown kind"
        raise DicomError(
            f"{source} is a DICOM file without an image ({kind}): expected an ultrasound image or cine."
        )
    syntax = text_value(meta, "TransferSyntaxUID")
    if not syntax:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else plain
    meta.TransferSyntaxUID = UID(syntax)
    return dataset


@dataclass(frozen=True, slots=True)
class DicomIdentity:
    """Digests of what a header says of person and examination, good for comparing within one process.

    Attributes:
        patient: Of the patient's ID, or None where the file has none.
        person: Of name and date of birth, or None where one is missing.
        study: Of the study's UID, or None.
    """

    patient: str | None = field(repr=False)
    person: str | None = field(repr=False)
    study: str | None = field(repr=False)


def read_dicom_identity(path: Path) -> DicomIdentity | None:
    """Digests of patient and study of a DICOM file; None for any other file and for one that cannot be read.

    Args:
        path: Any file.
    """
    try:
        if format_of_file(path) is not DICOM:
            return None
        with quiet_pydicom():
            person, other = ("PatientID", "IssuerOfPatientID"), ("PatientName", "PatientBirthDate")
            study = ("StudyInstanceUID",)
            tags = [*person, *other, *study]
            header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(tags))
            return DicomIdentity(
                _digest(header, person, needed=1),
                _digest(header, other, needed=2),
                _digest(header, study, needed=1),
            )
    except Exception:  # noqa: BLE001  the error of a broken header would quote it; the reader of the pixels says what is wrong
        return None


def _digest(header: Dataset, keywords: tuple[str, ...], needed: int) -> str | None:
    """Digest of some elements; None where one of the first ``needed`` is empty."""
    values = [" ".join(text_value(header, keyword).replace("^", " ").split()) for keyword in keywords]
    if not all(values[:needed]):
        return None
    return hashlib.blake2b("\0".join(values).encode("utf-8", "replace"), key=_KEY).hexdigest()


@dataclass(frozen=True, slots=True)
class Scale:
    """Size or at least shape of a pixel, why there is no size, the 2-D region and the others, and warnings."""

    spacing: PixelGeometry | None
    note: str
    region: Box | None
    other_regions: tuple[Box, ...]
    notices: tuple[CodedWarning, ...]


def read_tissue_scale(dataset: Dataset, height: int, width: int, stream_aspect: float | None = None) -> Scale:
    """Return the scale of the largest 2-D tissue region that fits the frame, else that of Pixel Spacing.

    Where neither is there, Pixel Aspect Ratio still gives the shape of a pixel.

    Args:
        dataset: The header.
        height: Rows of the frames as they lie in the file.
        width: Columns of the frames.
        stream_aspect: Height of a pixel over its width as a video stream inside states it, or None.
    """
    found = _scale(dataset, height, width)
    shape, notices = _pixel_aspect(dataset)
    if shape is None and not notices and stream_aspect is not None:
        shape, notices = check_aspect(stream_aspect, "sample aspect ratio")
    if shape is None:
        return replace(found, notices=(*found.notices, *notices))
    if found.spacing is None:
        return replace(found, spacing=shape_of(shape), notices=(*found.notices, *notices))
    if not math.isclose(shape.aspect, found.spacing.aspect, rel_tol=ROUNDING):
        text = (
            f"{shape.source} says that pixels are {shape.aspect:.3g} times as high as wide, {found.spacing.source} says "
            f"{found.spacing.aspect:.3g}: the latter is assumed."
        )
        notices = (*notices, CodedWarning("contradictory_aspect", text))
    return replace(found, notices=(*found.notices, *notices))


def _scale(dataset: Dataset, height: int, width: int) -> Scale:
    regions = sequence_items(dataset, "SequenceOfUltrasoundRegions")
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
            f"fit the {width} x {height} frame, so it belongs to an image of another size and is not used."
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
    return math.isclose(one.x_mm, other.x_mm, rel_tol=ROUNDING) and math.isclose(
        one.y_mm, other.y_mm, rel_tol=ROUNDING
    )


def _pixel_aspect(dataset: Dataset) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Pixel Aspect Ratio (0028,0034): height and width of a pixel. Source: PS3.3, C.7.6.3.1.7."""
    ratio = float_values(dataset, "PixelAspectRatio")
    if len(ratio) == 2 and ratio[1]:
        shape, notices = check_aspect(ratio[0] / ratio[1], ASPECT)
        return (PixelAspect(1.0, ASPECT) if shape is None and not notices else shape), notices
    if dataset.get("PixelAspectRatio") in (None, ""):
        return None, ()
    text = f"The file's {ASPECT} is not two numbers above 0: square pixels are assumed."
    return None, (CodedWarning("bad_aspect", text),)


def _chosen(regions: list[Dataset]) -> Dataset | None:
    plane = [r for r in regions if int_value(r, "RegionSpatialFormat") == FORMAT_2D]
    tissue = [r for r in plane if int_value(r, "RegionDataType") == TYPE_TISSUE]
    colour = [r for r in plane if int_value(r, "RegionDataType") == TYPE_COLOUR_FLOW]
    return max(tissue or colour, key=_area, default=None)


def _region_notices(regions: list[Dataset]) -> tuple[CodedWarning, ...]:
    kinds = [(int_value(r, "RegionSpatialFormat"), int_value(r, "RegionDataType")) for r in regions]
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
        text = "The file names Doppler or M-mode regions only, and no 2-D image of the heart."
        notices.append(CodedWarning("doppler_region", text))
    elif traces:
        text = "The file names a Doppler or M-mode region beside the 2-D image."
        notices.append(CodedWarning("trace_region", text))
    return tuple(notices)


def _region_spacing(region: Dataset) -> tuple[PixelSpacing | None, str]:
    units = int_value(region, "PhysicalUnitsXDirection"), int_value(region, "PhysicalUnitsYDirection")
    if units != (UNITS_CM, UNITS_CM):
        return (
            None,
            f"The 2-D region's physical units are {units[0]} and {units[1]}, expected {UNITS_CM} (cm).",
        )
    x_cm, y_cm = float_value(region, "PhysicalDeltaX"), float_value(region, "PhysicalDeltaY")
    if not x_cm or not y_cm:
        return None, "The 2-D region's physical delta is missing or zero."
    return check_spacing(10.0 * x_cm, 10.0 * y_cm, "Sequence of Ultrasound Regions")


def _pixel_spacing(dataset: Dataset, otherwise: str) -> tuple[PixelSpacing | None, str]:
    rows_columns = float_values(dataset, "PixelSpacing")
    if rows_columns == [1.0, 1.0]:
        return None, "The Pixel Spacing of 1 x 1 is what software writes that knows no scale: it is not used."
    if len(rows_columns) == 2:
        return check_spacing(rows_columns[1], rows_columns[0], "Pixel Spacing")
    reason = f": {otherwise}" if otherwise else ""
    return None, f"The file has no scale (ultrasound region or Pixel Spacing){reason}."


def _box(region: Dataset) -> Box:
    return Box(
        int_value(region, "RegionLocationMinX0"),
        int_value(region, "RegionLocationMinY0"),
        int_value(region, "RegionLocationMaxX1", -1) + 1,
        int_value(region, "RegionLocationMaxY1", -1) + 1,
    )


def _area(region: Dataset) -> int:
    box = _box(region)
    return max(0, box.width) * max(0, box.height)


KEY_LENGTH = 12
"""Hex digits of a pseudonym: 48 bits, so that two of 10,000 patients share one with a chance of 2 in 10 million."""


def read_pseudonym(dataset: Dataset) -> str | None:
    """`pseudonym` of a header's patient, None without a Patient ID."""
    patient_id = text_value(dataset, "PatientID")
    return pseudonym(patient_id, text_value(dataset, "IssuerOfPatientID")) if patient_id else None


def pseudonym(patient_id: str, issuer: str = "") -> str:
    """Pseudonym of a patient, `KEY_LENGTH` hexadecimal digits: the same everywhere, and nothing to read from.

    It is a hash without a secret: anyone with the list of Patient IDs can find the one that it stands for. Blanks around and
    case do not matter.

    Args:
        patient_id: Patient ID (0010,0020).
        issuer: Issuer of Patient ID (0010,0021).

    Example:
        >>> pseudonym("4711 ", "clinic") == pseudonym("4711", "CLINIC") != pseudonym("4711")
        True
    """
    return short_hash(f"{patient_id.strip().upper()}\n{issuer.strip().upper()}")


def short_hash(value: str) -> str:
    """First `KEY_LENGTH` hex digits of the SHA-256 of a text."""
    return hashlib.sha256(value.encode("utf-8")).hexdigest()[:KEY_LENGTH]
