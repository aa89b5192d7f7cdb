"""The view that a DICOM header states: its code, else an unambiguous label in a free text.

Free texts may hold names: only which label of `LABELS` they contain is kept, never the text itself.

Source: DICOM PS3.3, C.8.5.6 (View Code Sequence) and C.8.5.18 (View Name); PS3.16, CID 12226 (Echocardiography Image View,
version 20250405) with the older SNOMED-RT codes, both as in `pydicom.sr`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from lvef.core.terms import View
from lvef.io.dicom_header import sequence_items, text_value

VIEW_CODES = {
    "399214001 G-A19C": (View.A4C, "apical four chamber"),
    "399232001 G-A19B": (View.A2C, "apical two chamber"),
    "130681": (View.OTHER_APICAL, "apical four chamber, focused on the right ventricle"),
    "130682": (View.OTHER_APICAL, "apical four chamber, modified for the right ventricle"),
    "399339008 G-0395": (View.OTHER_APICAL, "apical long axis"),
    "399139001 G-0396": (View.PLAX, "parasternal long axis"),
    "443082005 G-0577": (View.PLAX, "parasternal long axis of the right ventricular inflow tract"),
    "443083000 G-0578": (View.PLAX, "parasternal long axis of the right ventricular outflow tract"),
    "398998003 G-039C": (View.PLAX, "right ventricular inflow tract"),
    "399306005 G-0397": (View.PSAX, "parasternal short axis"),
    "399239005 G-0398": (View.PSAX, "parasternal short axis at the aortic valve"),
    "399371001 G-0399": (View.PSAX, "parasternal short axis at the mitral chords"),
    "399036006 G-039A": (View.PSAX, "parasternal short axis at the mitral valve"),
    "399271003 G-039B": (View.PSAX, "parasternal short axis at the papillary muscles"),
    "399195005 G-039D": (View.UNKNOWN, "right ventricular outflow tract"),
    "399310008 G-039E": (View.SUBCOSTAL, "subcostal long axis"),
    "399200001 G-039F": (View.SUBCOSTAL, "subcostal short axis"),
    "443609003 G-057E": (View.SUBCOSTAL, "subcostal short axis at the aortic valve"),
    "443499004 G-057B": (View.SUBCOSTAL, "subcostal short axis at the mitral valve"),
    "443160001 G-0579": (View.SUBCOSTAL, "subcostal short axis at the papillary muscles"),
    "443500008 G-057C": (View.SUBCOSTAL, "subcostal short axis at the venous inflow"),
    "443640005 R-40B0A": (View.SUBCOSTAL, "subcostal oblique coronal"),
    "443100003 R-40AFF": (View.SUBCOSTAL, "subcostal, directed anteriorly"),
    "399106004 G-03A0": (View.UNKNOWN, "suprasternal long axis"),
    "399145009 G-03A1": (View.UNKNOWN, "suprasternal short axis"),
    "443562002 G-057D": (View.UNKNOWN, "suprasternal long axis of the aortic arch"),
    "443162009 R-40B00": (View.UNKNOWN, "suprasternal coronal"),
    "443163004 R-40B01": (View.UNKNOWN, "suprasternal sagittal"),
    "443698002 R-40B0E": (View.UNKNOWN, "transesophageal short axis"),
}
"""All of CID 12226 without foetal views (CID 12312): SNOMED CT and SNOMED-RT code, or DICOM's own; the view, its meaning.
A four-chamber view that is focused on the right ventricle cuts or shortens the left one. Views without a name in `View` are
`View.UNKNOWN` with a statement."""

TEXTS = {
    "ViewName": "View Name",
    "ImageComments": "Image Comments",
    "SeriesDescription": "Series Description",
}
"""Free texts that may hold a label, by keyword."""

LABELS = {
    View.A4C: "A4C A4CH AP4 AP4C AP4CH 4CH APICAL_4_CH APICAL_4CH APICAL_4C",
    View.A2C: "A2C A2CH AP2 AP2C AP2CH 2CH APICAL_2_CH APICAL_2CH APICAL_2C",
    View.OTHER_APICAL: (
        "A3C A3CH AP3 AP3C AP3CH 3CH APICAL_3_CH APICAL_3CH APICAL_3C APLAX APICAL_LAX APICAL_LONG_AXIS "
        "A5C A5CH AP5 AP5C AP5CH 5CH APICAL_5_CH APICAL_5CH APICAL_5C"
    ),
    View.PLAX: "PLAX PSLAX PARASTERNAL_LAX PARASTERNAL_LONG_AXIS",
    View.PSAX: "PSAX PSSAX PARASTERNAL_SAX PARASTERNAL_SHORT_AXIS",
    View.SUBCOSTAL: "SUBCOSTAL SUBXIPHOID",
    View.UNKNOWN: "SUPRASTERNAL",
}
"""Labels in common use, in the words of `_words`. A bare 4C is a transducer, LAX and SAX alone have no window."""

MAX_WORDS = 6
"""A label has few words; a longer text is a comment, and may say that a view could not be had."""

OTHER_SUBJECTS = frozenset(
    ["TEE", "TOE", "ME", "TG", "TRANSESOPHAGEAL", "FETAL", "FOETAL", "RV", "NO", "NOT"]
)
"""Words beside which a label means something else, or nothing."""

_NUMBERS = {"FOUR": "4", "TWO": "2", "THREE": "3", "FIVE": "5", "CHAMBER": "CH", "CHAMBERS": "CH"}
_CODES = {code: found for codes, found in VIEW_CODES.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class StatedView:
    """A view, and what states it: the attribute and our own words for the code or label; empty where nothing does."""

    view: View = View.UNKNOWN
    statement: str = ""


def read_view(dataset: Dataset) -> StatedView:
    """The view that View Code Sequence (0054,0220) names, else the one that all labels in `TEXTS` agree on.

    Args:
        dataset: The header.
    """
    for item in sequence_items(dataset, "ViewCodeSequence"):
        code, scheme = text_value(item, "CodeValue"), text_value(item, "CodingSchemeDesignator")
        # Schemes that begin with 99 are private, but for an old name of SNOMED-RT.
        if code in _CODES and (not scheme.startswith("99") or scheme == "99SDM"):
            view, meaning = _CODES[code]
            return StatedView(view, f"View Code Sequence: {meaning}")
    found: dict[View, StatedView] = {}
    for keyword, name in TEXTS.items():
        for view, label in _labels(text_value(dataset, keyword)).items():
            found.setdefault(view, StatedView(view, f"{name}: {label}"))
    return next(iter(found.values())) if len(found) == 1 else StatedView()


def _labels(text: str) -> dict[View, str]:
    """The labels in a text, by view."""
    words = _words(text)
    if not words or len(words) > MAX_WORDS or OTHER_SUBJECTS.intersection(words):
        return {}
    joined = f"_{'_'.join(words)}_"
    return {
        view: label.replace("_", " ")
        for view, labels in LABELS.items()
        for label in labels.split()
        if f"_{label}_" in joined
    }


def _words(text: str) -> list[str]:
    """Upper-case words, with digits for the number of chambers."""
    return [_NUMBERS.get(word, word) for word in re.findall(r"[A-Z0-9]+", text.upper())]
