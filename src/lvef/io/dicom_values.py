"""Single values out of a DICOM header, and silence: pydicom's warnings may quote what is said of a person."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

from lvef.core.terms import Sex, View

VIEW_CODES = {
    "399214001": View.A4C,
    "399232001": View.A2C,
    "G-A19C": View.A4C,
    "G-A19B": View.A2C,
}
"""Codes of View Code Sequence (0054,0220), SNOMED CT and the older SRT. Source: DICOM PS3.16, CID 12226."""

MIN_HEART_RATE_BPM, MAX_HEART_RATE_BPM = 20.0, 300.0
"""Range outside of which a heart rate is a filler (0 is what scanners write without an ECG) or a mistake."""

CONVERSION_ERRORS = (
    BytesLengthException,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    KeyError,
    NotImplementedError,
)
"""What pydicom raises when an element's value is not what its kind allows; the text quotes the value."""


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


def numbers(dataset: Dataset, keyword: str) -> list[float]:
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


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first number of an element, or None."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def whole(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """Return an element as int, or ``default``."""
    found = number(dataset, keyword)
    return default if found is None else int(found)


def text(dataset: Dataset, keyword: str) -> str:
    """Return an element as stripped upper-case text, empty where it is absent. Only for coded values."""
    try:
        value = dataset.get(keyword)
    except CONVERSION_ERRORS:
        return ""
    return "" if value is None else str(value).strip().upper()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence, [] where it is absent or broken."""
    try:
        value = dataset.get(keyword)
        return [] if value is None else list(value)
    except CONVERSION_ERRORS:
        return []


def sex(dataset: Dataset) -> Sex | None:
    """Return Patient's Sex (0010,0040), or None where it is neither F nor M."""
    return {"F": Sex.FEMALE, "M": Sex.MALE}.get(text(dataset, "PatientSex"))


def view(dataset: Dataset) -> View:
    """Return the apical view that View Code Sequence (0054,0220) names; rarely filled."""
    codes = (text(item, "CodeValue") for item in items(dataset, "ViewCodeSequence"))
    return next((VIEW_CODES[code] for code in codes if code in VIEW_CODES), View.UNKNOWN)


def heart_rate_bpm(dataset: Dataset) -> float | None:
    """Return Heart Rate (0018,1088) in beats per minute, or None where it is absent or a filler."""
    rate = number(dataset, "HeartRate")
    return rate if rate is not None and MIN_HEART_RATE_BPM <= rate <= MAX_HEART_RATE_BPM else None
