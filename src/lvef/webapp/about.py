"""What the page *About* says: version, licences, the models' cards, limits, and the source report's classes."""

from __future__ import annotations

from typing import Any

import lvef
from lvef.core.terms import MEASURING_KINDS
from lvef.core.wording import DISCLAIMER, HEART_FAILURE_TEXT, REPORT_CLASS_TEXT
from lvef.inference.card import Card, card_facts, display_name, metric_text
from lvef.inference.catalogue import list_models

LIMITS = (
    "Apical four- and two-chamber views are expected. Many other images are refused, not all: check the video.",
    "One view cannot reveal foreshortening: a plane that misses the apex gives too small volumes and often too high an EF.",
    "The models were trained on adults of one hospital and one vendor's scanners; no children, contrast agents or rare "
    "anatomy.",
    "Volumes in ml are given only where the file has a scale that fits its images. An EF needs none.",
    "Irregular rhythm needs five beats or more; with fewer there is a warning.",
    "The spread over beats shows how similar the beats are, not how far the EF may be from the truth.",
    "Two cardiologists differ by 6 to 7 points of EF on the same patient on average.",
)
"""What a reader has to know; docs/explanation/limits.md has more."""

WHAT_IT_DOES = (
    "A model segments the left ventricle on every frame. Volumes follow by the method of disks, beats from the "
    "volume-time curve; the ejection fraction is the mean over the regular beats, and the beat nearest to it is shown. "
    "What should not be measured is refused, with the reason. Every EF rests on two contours that you see and can correct."
)
"""The program in a few sentences."""

CITATION = (
    "The models were trained on CAMUS and carry its licence (CC BY-NC-SA 4.0): non-commercial scientific research only, "
    "with this citation:"
)
"""Stands before the citations."""


def about(keep_hours: float, *, is_kept: bool) -> dict[str, Any]:
    """Everything that the page *About* says.

    Args:
        keep_hours: How long files and results are kept.
        is_kept: Whether they stay when the page is stopped.
    """
    cards = [entry.card for entry in list_models()]
    return {
        "version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "what_it_does": WHAT_IT_DOES,
        "privacy": privacy_text(keep_hours, is_kept=is_kept),
        "licences": [
            {"name": "Code", "text": f"lvef {lvef.__version__}, Apache-2.0"},
            *(
                {"name": display_name(card), "text": f"{card.title} (version {card.version}), {card.licence}"}
                for card in cards
            ),
        ],
        "models": [_model(card) for card in cards if card.kind in MEASURING_KINDS],
        "limits": list(LIMITS),
        "classes": {
            "heart_failure": list(HEART_FAILURE_TEXT.values()),
            "report": list(REPORT_CLASS_TEXT.values()),
        },
        "citation": CITATION,
        "citations": list(dict.fromkeys(card.training.citation for card in cards)),
    }


def privacy_text(keep_hours: float, *, is_kept: bool) -> str:
    """What happens to files, in a few sentences."""
    ends = "" if is_kept else ", or until the page is stopped"
    return (
        "Nothing is sent anywhere. Files, results and corrections lie in a private folder on the machine of this page "
        f"until you forget them, at most {keep_hours:g} hours{ends}. What lies outside the ultrasound sector, such as a "
        "name on the screen, is never shown."
    )


def _model(card: Card) -> dict[str, Any]:
    facts = card_facts(card)
    for key in ("external", "figures"):
        figures = card.external if key == "external" else card.figures
        facts[key] = [
            {**one, "text": metric_text(figure)} for one, figure in zip(facts[key], figures, strict=True)
        ]
    return facts | {"label": display_name(card)}
