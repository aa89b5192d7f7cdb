"""Spellings that a user's own table may have, and cells to values: what is not understood is told, never guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from lvef.core.terms import DatasetView, Phase, Sex, Split

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "filepath", "video", "videopath", "clip", "image", "imagepath", "dicom", "avi"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid", "case", "caseid"),
    "ef_percent": ("ef", "lvef", "efpercent", "lvefpercent", "ejectionfraction", "efpct", "efbiplane", "efvalue"),
    "edv_ml": ("edv", "lvedv", "edvml", "lvedvml", "enddiastolicvolume"),
    "esv_ml": ("esv", "lvesv", "esvml", "lvesvml", "endsystolicvolume"),
    "ef_method": ("efmethod", "method"),
    "ed_frame": ("edframe", "enddiastolicframe", "ed"),
    "es_frame": ("esframe", "endsystolicframe", "es"),
    "view": ("view", "viewlabel", "window"),
    "phase": ("phase", "cardiacphase"),
    "split": ("split", "set", "subset", "partition"),
    "age_years": ("age", "ageyears", "patientage"),
    "sex": ("sex", "gender", "patientsex"),
    "heart_rate_bpm": ("hr", "heartrate", "heartratebpm", "bpm"),
    "diagnosis": ("diagnosis", "diagnosislabel", "pathology"),
    "quality": ("quality", "imagequality", "picturequality"),
    "mask_path": ("mask", "maskpath", "segmentation"),
    "frame_rate_hz": ("fps", "framerate", "frameratehz"),
    "spacing_x_mm": ("spacingxmm",),
    "spacing_y_mm": ("spacingymm",),
}  # fmt: skip
"""Column of the manifest -> titles that mean it, as `plain_title` writes them: case, blanks, signs, units do not count."""

PERSONAL = ("name", "patientname", "firstname", "lastname", "surname", "givenname", "birthdate", "dateofbirth", "dob",
            "birthday", "address", "phone", "email", "mrn", "ssn", "insurance", "insuranceid")  # fmt: skip
"""Titles of columns that name a person: never taken into a manifest."""

VIEWS: Mapping[str, tuple[str, ...]] = {
    DatasetView.A4C: ("a4c", "4ch", "ap4", "apical4chamber", "apicalfourchamber", "ch4", "4chamber"),
    DatasetView.A2C: ("a2c", "2ch", "ap2", "apical2chamber", "apicaltwochamber", "ch2", "2chamber"),
    DatasetView.PLAX: ("plax", "parasternallongaxis"),
    DatasetView.PSAX: ("psax", "parasternalshortaxis"),
    DatasetView.OTHER: ("other",),
    DatasetView.UNKNOWN: ("unknown",),
}
"""Words for views, as `plain_title` writes them."""

SPLITS: Mapping[str, tuple[str, ...]] = {
    Split.TRAIN: ("train", "training"),
    Split.VAL: ("val", "valid", "validation", "dev"),
    Split.TEST: ("test", "testing"),
}
"""Words for parts of a collection."""

SEXES: Mapping[str, tuple[str, ...]] = {
    Sex.FEMALE: ("f", "female", "w", "woman"),
    Sex.MALE: ("m", "male", "man"),
}
"""Words for sex. Codes 0, 1 and 2 are not understood: collections disagree on them."""

PHASES: Mapping[str, tuple[str, ...]] = {
    Phase.ED: ("ed", "enddiastole", "enddiastolic", "diastole"),
    Phase.ES: ("es", "endsystole", "endsystolic", "systole"),
}
"""Words for phases."""

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "view": VIEWS, "split": SPLITS, "sex": SEXES, "phase": PHASES,
}  # fmt: skip
"""Columns that hold one word of a few, and the spellings of each."""

NOTHING = ("", "nan", "na", "n/a", "none", "null", "-", "#n/a")
"""Cells, in lower case, that say nothing."""

_UNITS = re.compile(r"[(\[](?:%|percent|ml|mm|bpm|hz|years?)[)\]]|%")


def plain_title(title: str) -> str:
    """A title without case, blanks, signs and the unit in brackets.

    >>> plain_title("LV_EF (%)")
    'lvef'
    """
    return re.sub(r"[^a-z0-9]", "", _UNITS.sub("", title.lower()))


def match_titles(titles: tuple[str, ...]) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Sort a table's titles.

    Returns:
        The manifest's columns with the titles that mean them, titles that name a person, and all others.
    """
    meanings: dict[str, list[str]] = {}
    personal, others = [], []
    by_spelling = {spelling: column for column, spellings in SPELLINGS.items() for spelling in spellings}
    for title in titles:
        plain = plain_title(title)
        if plain in by_spelling:
            meanings.setdefault(by_spelling[plain], []).append(title)
        elif plain in PERSONAL:
            personal.append(title)
        else:
            others.append(title)
    return meanings, personal, others


def read_word(column: str, cell: str) -> str | None:
    """A word of `WORDS`, or None where the cell holds none of them."""
    plain = plain_title(cell)
    return next((word for word, spellings in WORDS[column].items() if plain in spellings), None)


def read_number(cell: str, *, decimal_comma: bool) -> float | None:
    """A finite number, or None.

    Args:
        cell: For example ``55.2``, ``55 %`` or, in a table with semicolons, ``55,2``.
        decimal_comma: Whether a comma is the decimal point.
    """
    text = cell.rstrip("% ").strip()
    if decimal_comma:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
