"""The page *About*: what the program does, its accuracy and limits, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import lvef
from lvef.core.terms import MEASURING_KINDS
from lvef.inference.card import (
    EF_BIAS,
    EF_MAE,
    EF_R,
    NOT_VALIDATED,
    Card,
    Figure,
    display_name,
    experimental_text,
    has_interval,
)
from lvef.inference.catalogue import list_models
from lvef.webapp.layout import (
    show_element,
    show_errors,
    show_facts,
    show_heading,
    show_section,
    show_table,
    show_warning_list,
)

TEXTS = {
    "What it does": (
        "A model segments the left ventricle on every frame. Volumes follow by the method of disks, beats from the "
        "volume-time curve; the ejection fraction is the mean over the regular beats, and the beat nearest to it is shown. "
        "What should not be measured is refused, with the reason. Every EF rests on two contours that you see and can "
        "correct."
    ),
    "What happens to files": (
        "Nothing is sent anywhere. A file is on the disk only while it is read, under a random name, and in "
        "memory until you press Forget all or close the page. What lies outside the ultrasound sector, such as a name on "
        "the screen, is never shown."
    ),
}
"""What the program does, by heading."""

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

EXTERNAL, IN_DOMAIN = "External validation", "In-domain"
"""Labels of the two tables of metrics, in the order of the page."""

EXTERNAL_FIGURES = {
    EF_MAE: "EF error in points",
    EF_BIAS: "EF bias in points",
    EF_R: "EF, correlation",
    "dice": "Overlap with reference contours (Dice)",
    "implausible": "Share of frames with an implausible shape",
}
"""Metrics out of domain that are shown, in this order, each for every split that a card has it of."""

SHOWN_FIGURES = {
    "dice_lv_a4c_ed": "Overlap with experts (Dice), ED",
    "dice_lv_a4c_es": "Overlap with experts (Dice), ES",
    "ef_mae_a4c": "EF error in points, A4C",
    "ef_mae_biplane": "EF error in points, biplane",
    "ef_r_biplane": "EF, correlation, biplane",
    "ef_mae_moving_stills": "EF error in points, animated stills",
    "ef_mae_phantoms": "EF error in points, phantoms",
}
"""Metrics in-domain that are shown, in this order."""


@show_errors
def page() -> None:
    """Draw the page."""
    show_heading("About", "From an echo file to an ejection fraction that a reader can check by eye.")
    for title, text in TEXTS.items():
        show_element("text", title, [text])
    every = [entry.card for entry in list_models()]
    cards = [card for card in every if card.kind in MEASURING_KINDS]
    show_section(
        "Accuracy: external validation",
        "At other hospitals; it predicts the accuracy on your clips better than the metrics below. Each "
        "cell: value, 95 % confidence interval if there is one, number of cases. EF errors are mean absolute errors.",
    )
    _show_metrics(cards, EXTERNAL)
    show_warning_list([experimental_text(card) for card in cards if card.experimental])
    show_section(
        "Accuracy: in-domain",
        "On patients of the training hospital, or synthetic phantoms, never used for training or selection.",
    )
    _show_metrics(cards, IN_DOMAIN)
    show_element("text", "Limits", (), LIMITS)
    show_section("Models and licences")
    licences = [
        (display_name(card), f"{card.title} (version {card.version}), {card.licence}") for card in every
    ]
    show_facts([("Code", f"lvef {lvef.__version__}, Apache-2.0"), *licences], "Licences")
    show_element(
        "text",
        "Please cite",
        [
            "The models were trained on CAMUS and carry its licence (CC BY-NC-SA 4.0): non-commercial scientific research "
            "only, with this citation:",
            *dict.fromkeys(card.training.citation for card in every),
        ],
    )


def _show_metrics(cards: Sequence[Card], label: str) -> None:
    """A row per metric, a column per model; of external metrics a row for each split and reference."""
    rows: list[tuple[list[str], str]] = []
    for words, of_cards in _external(cards) if label == EXTERNAL else _inside(cards):
        if any(of_cards):
            rows.append(([words, *["-" if f is None else _cell(f) for f in of_cards]], "lvef-num"))
    if not rows:
        rows = [([NOT_VALIDATED, *["-"] * len(cards)], "")]
    show_table(["Metric", *[display_name(card) for card in cards]], rows, label)


def _external(cards: Sequence[Card]) -> Iterator[tuple[str, list[Figure | None]]]:
    kinds = Counter(
        kind for card in cards for kind in dict.fromkeys((f.split, f.reference) for f in card.external)
    )
    # The split that most models have metrics of compares them: it comes first.
    for (split, reference), _ in kinds.most_common():
        for name, words in EXTERNAL_FIGURES.items():
            key = (name, split, reference)
            found = [
                next((f for f in card.external if (f.name, f.split, f.reference) == key), None)
                for card in cards
            ]
            yield f"{words}, {split} (reference: {reference})", found


def _inside(cards: Sequence[Card]) -> Iterator[tuple[str, list[Figure | None]]]:
    for name, words in SHOWN_FIGURES.items():
        yield words, [next((f for f in card.figures if f.name == name), None) for card in cards]


def _cell(figure: Figure) -> str:
    digits = 1 if "point" in figure.unit else 3
    value = f"{figure.value:.{digits}f}"
    if has_interval(figure):
        value += f" ({figure.low:.{digits}f} to {figure.high:.{digits}f})"
    return f"{value}, {figure.n}"
