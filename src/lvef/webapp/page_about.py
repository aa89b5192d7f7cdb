"""The page *About*: what it is, how well it measures, where its limits lie, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

import streamlit as st

import lvef
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
from lvef.webapp.layout import show_errors, show_heading, show_section
from lvef.webapp.measurement_view import facts, table

TEXTS = {
    "What it does": (
        "A network outlines the left ventricle on every frame. Volumes follow by the method of disks, beats from the "
        "volume curve; the ejection fraction is the mean over the regular beats, and the beat nearest to it is shown. "
        "What should not be measured is refused, with the reason. Every number rests on two outlines that you see, and "
        "may move."
    ),
    "What happens to files": (
        "Nothing is sent anywhere. A file is on the disk only while it is being read, under a name of our own, and in "
        "memory until you press Forget all or close the page. What lies outside the ultrasound fan, such as a name on "
        "the screen, is never shown."
    ),
}
"""What it is, by heading."""

LIMITS = (
    "Apical four- and two-chamber views are expected. Many other pictures are refused, not all: look at the film.",
    "One view cannot reveal foreshortening: a plane that misses the apex gives too small volumes and often too high an EF.",
    "The networks saw adults of one hospital and one maker's machines; no children, contrast agents or rare hearts.",
    "Millilitres are given only where the file has a scale that fits its picture. An EF needs none.",
    "Irregular rhythm needs five beats or more; below that there is a warning.",
    "The spread over beats tells how alike the beats are, not how far the EF may be from the truth.",
    "Two cardiologists differ by 6 to 7 points of EF on the same patient on average.",
)
"""What a reader has to know; docs/explanation/limits.md has more."""

EXTERNAL, IN_DOMAIN = "External validation", "In-domain"
"""Labels of the two tables of metrics, in the order of the page."""

EXTERNAL_FIGURES = {
    EF_MAE: "EF error in points",
    EF_BIAS: "EF bias in points",
    EF_R: "EF, correlation",
    "dice": "Overlap with drawn contours (Dice)",
    "implausible": "Part of frames with an implausible shape",
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
    parts = "".join(f"<h2>{escape(title)}</h2><p>{escape(text)}</p>" for title, text in TEXTS.items())
    st.html(f'<div class="lvef-text">{parts}</div>')
    networks = list_models()
    cards = [entry.card for entry in networks]
    show_section(
        "How well it measures: other hospitals",
        "External validation comes first: it predicts your clips better than the metrics below. Each "
        "cell: value, 95 % confidence interval where there is one, number of cases. EF errors are mean absolute errors.",
    )
    st.html(_figures_table(cards, EXTERNAL))
    marked = "".join(f"<li>{escape(experimental_text(card))}</li>" for card in cards if card.experimental)
    if marked:
        st.html(f'<section class="lvef-warnings"><h3>Keep in mind</h3><ul>{marked}</ul></section>')
    show_section(
        "How well it measures: in-domain",
        "On patients of the hospital that it was trained on, or synthetic phantoms, never used for training or selection.",
    )
    st.html(_figures_table(cards, IN_DOMAIN))
    with st.container():
        limits = "".join(f"<li>{escape(text)}</li>" for text in LIMITS)
        st.html(f'<div class="lvef-text"><h2>Limits</h2><ul>{limits}</ul></div>')
    show_section("Networks and licences")
    st.html(
        facts(
            [
                ("The code", f"lvef {lvef.__version__}, Apache-2.0"),
                *[
                    (
                        display_name(entry.card),
                        f"{entry.card.title} (version {entry.card.version}), {entry.card.licence}",
                    )
                    for entry in networks
                ],
            ],
            "Licences",
        )
    )
    citations = list(dict.fromkeys(entry.card.training.citation for entry in networks))
    cited = "".join(f"<p>{escape(text)}</p>" for text in citations)
    st.html(
        '<div class="lvef-text"><h2>Please cite</h2><p>The networks were trained on CAMUS, whose licence (CC BY-NC-SA 4.0) '
        f"they carry: non-commercial scientific research only, with this citation:</p>{cited}</div>"
    )


def _figures_table(cards: Sequence[Card], label: str) -> str:
    """A row a metric, a column a network; of external metrics a row for each split and reference."""
    rows: list[tuple[list[str], str]] = []
    for words, of_cards in _external(cards) if label == EXTERNAL else _inside(cards):
        if any(of_cards):
            rows.append(([words, *["-" if f is None else _cell(f) for f in of_cards]], "lvef-num"))
    if not rows:
        rows = [([NOT_VALIDATED, *["-"] * len(cards)], "")]
    return table(["Metric", *[display_name(card) for card in cards]], rows, label)


def _external(cards: Sequence[Card]) -> Iterator[tuple[str, list[Figure | None]]]:
    kinds = Counter(
        kind for card in cards for kind in dict.fromkeys((f.split, f.reference) for f in card.external)
    )
    # What most networks were measured on compares them: it comes first.
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
