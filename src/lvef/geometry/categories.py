"""The three category tables of an EF, each with its own rule at the limits.

The first two are tables of whole numbers, so the EF is rounded half up first: 40.4 is 40, 40.5 is 41. The third comes from
the source report (Omdena Topeka, May 2023) and uses the unrounded EF. None of them is a diagnosis.
"""

from __future__ import annotations

import math
from enum import StrEnum

from lvef.core.errors import GeometryError
from lvef.core.terms import Sex


class AseCategory(StrEnum):
    """Grades of the ASE/EACVI 2015 table."""

    ABOVE_RANGE = "above_range"
    NORMAL = "normal"
    MILD = "mildly_abnormal"
    MODERATE = "moderately_abnormal"
    SEVERE = "severely_abnormal"


class HeartFailureRange(StrEnum):
    """EF ranges used in heart failure: a range, not a diagnosis."""

    REDUCED = "reduced"
    MILDLY_REDUCED = "mildly_reduced"
    PRESERVED = "preserved"


class ReportClass(StrEnum):
    """The three classes of the source report."""

    NORMAL = "normal"
    MILD = "mild"
    ABNORMAL = "abnormal"


ASE_NORMAL_RANGE = {Sex.MALE: (52, 72), Sex.FEMALE: (54, 74)}
"""Normal EF, whole per cent, both ends included. Source: Lang et al., ASE/EACVI 2015, table 4."""

ASE_MILD_FROM = 41
"""Mildly abnormal from here up to the normal range. Source: as `ASE_NORMAL_RANGE`."""

ASE_MODERATE_FROM = 30
"""Moderately abnormal from here to 40; severely abnormal below. Source: as `ASE_NORMAL_RANGE`."""

HEART_FAILURE_MILDLY_REDUCED_FROM = 41
"""Mildly reduced 41-49; reduced at most 40. Source: Bozkurt et al., Universal Definition of Heart Failure, 2021."""

HEART_FAILURE_PRESERVED_FROM = 50
"""Preserved from here. Source: as `HEART_FAILURE_MILDLY_REDUCED_FROM`."""

REPORT_MILD_RANGE = (40.0, 50.0)
"""The source report's "mild", both ends included, on the unrounded EF."""


def round_half_up(value: float) -> int:
    """Nearest whole number, halves upwards (Python's `round` would make 40.5 into 40).

    Raises:
        GeometryError: When the value is not finite.

    Examples:
        >>> round_half_up(40.5), round_half_up(40.4999), round_half_up(39.5)
        (41, 40, 40)
    """
    if not math.isfinite(value):
        raise GeometryError(f"An ejection fraction of {value} has no category.")
    return math.floor(value + 0.5)


def ase_category(ef_percent: float, sex: Sex) -> AseCategory:
    """Grade of the half-up rounded EF in the ASE/EACVI 2015 table.

    Args:
        ef_percent: EF, 0-100.
        sex: The table has a normal range for each.

    Source:
        Lang et al., ASE/EACVI 2015, J Am Soc Echocardiogr 28:1-39, table 4.

    Examples:
        >>> str(ase_category(52.0, Sex.MALE)), str(ase_category(52.0, Sex.FEMALE))
        ('normal', 'mildly_abnormal')
    """
    ef = round_half_up(ef_percent)
    low, high = ASE_NORMAL_RANGE[sex]
    if ef > high:
        return AseCategory.ABOVE_RANGE
    if ef >= low:
        return AseCategory.NORMAL
    if ef >= ASE_MILD_FROM:
        return AseCategory.MILD
    return AseCategory.MODERATE if ef >= ASE_MODERATE_FROM else AseCategory.SEVERE


def heart_failure_range(ef_percent: float) -> HeartFailureRange:
    """Range of the half-up rounded EF: reduced <= 40, mildly reduced 41-49, preserved >= 50.

    Examples:
        >>> str(heart_failure_range(40.4)), str(heart_failure_range(40.5)), str(heart_failure_range(49.5))
        ('reduced', 'mildly_reduced', 'preserved')
    """
    ef = round_half_up(ef_percent)
    if ef >= HEART_FAILURE_PRESERVED_FROM:
        return HeartFailureRange.PRESERVED
    if ef >= HEART_FAILURE_MILDLY_REDUCED_FROM:
        return HeartFailureRange.MILDLY_REDUCED
    return HeartFailureRange.REDUCED


def report_class(ef_percent: float) -> ReportClass:
    """The source report's class of the unrounded EF: normal > 50, mild 40-50, abnormal < 40; 40 and 50 are mild.

    Raises:
        GeometryError: When the EF is not finite.

    Examples:
        >>> str(report_class(50.0)), str(report_class(50.01)), str(report_class(39.99))
        ('mild', 'normal', 'abnormal')
    """
    if not math.isfinite(ef_percent):
        raise GeometryError(f"An ejection fraction of {ef_percent} has no category.")
    low, high = REPORT_MILD_RANGE
    if ef_percent > high:
        return ReportClass.NORMAL
    return ReportClass.MILD if ef_percent >= low else ReportClass.ABNORMAL


def categories(ef_percent: float, sex: Sex | None = None) -> dict[str, str]:
    """All tables at once.

    Args:
        ef_percent: Ejection fraction in percent.
        sex: Sex for the ASE/EACVI table; without it both columns are given.

    Returns:
        ``ase_2015`` (sex known) or ``ase_2015_men`` and ``ase_2015_women``; ``heart_failure``; ``report``.

    Examples:
        >>> categories(60.0, Sex.MALE)
        {'ase_2015': 'normal', 'heart_failure': 'preserved', 'report': 'normal'}
    """
    if sex is None:
        ase = {
            "ase_2015_men": str(ase_category(ef_percent, Sex.MALE)),
            "ase_2015_women": str(ase_category(ef_percent, Sex.FEMALE)),
        }
    else:
        ase = {"ase_2015": str(ase_category(ef_percent, sex))}
    return ase | {
        "heart_failure": str(heart_failure_range(ef_percent)),
        "report": str(report_class(ef_percent)),
    }
