"""A page for each installed model, from its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from docsite.pages import ROOT
from lvef.inference.card import (
    COST,
    NOT_VALIDATED,
    Card,
    CardMetric,
    display_name,
    experimental_text,
    read_card,
)

WEIGHTS = ROOT / "weights" / "lvef-weights-camus" / "src" / "lvef_weights_camus"
"""Models of this repository."""


def cards() -> list[Card]:
    """Cards of the repository's models, by name."""
    return [read_card(path.parent) for path in sorted(WEIGHTS.glob("*/card.json"))]


def card_table() -> str:
    """A table of all models, with links to their pages."""
    rows = [
        f"| [`{card.name}`](models/{card.name}.md) | {card.version} | {card.kind} | {card.title} | "
        f"{'experimental' if card.experimental else ''} |"
        for card in cards()
    ]
    return "\n".join(["| Model | Version | Kind | What it does | |", "|---|---|---|---|---|", *rows])


def card_page(card: Card) -> str:
    """The page of a model: what it is, external metrics, in-domain metrics, limits, training, use."""
    parts = [f"# {display_name(card)}", card.title + "."]
    if card.experimental:
        parts.append(f'!!! warning "Experimental"\n    {experimental_text(card)}')
    parts += [
        _facts(card),
        f"```sh\nlvef measure clip.dcm --weights {card.name}\n```" if card.kind != "view" else "",
        "## External validation",
        "Images and clips of other hospitals. [How it is measured](../../how-to/external-benchmark.md).",
        _metrics(card.external) or f"There is {NOT_VALIDATED}.",
        "## In-domain metrics",
        _metrics([f for f in card.figures if not f.name.startswith(COST)]) or "None.",
    ]
    if costs := [f for f in card.figures if f.name.startswith(COST)]:
        parts += ["### Performance drop under perturbations", _metrics(costs)]
    parts += [
        "## Limits",
        "\n".join(f"- {limit}" for limit in card.limits) or "None are recorded.",
        f"Intended use: {card.intended_use}",
        "## Training",
        _table(
            [
                ("Data", card.training.data),
                ("Licence of the data", card.training.licence),
                ("Patients", str(card.training.patients)),
                ("Recipe", f"`{card.training.recipe}`"),
                ("Command", f"`{card.training.command}`"),
                ("Time", f"{card.training.minutes:.0f} minutes"),
                ("Cite", card.training.citation),
            ]
        ),
        "## Input and architecture",
        _table(
            [
                ("Sampling", card.sampling),
                *((key, _text(value)) for key, value in vars(card.input).items()),
                *((key, _text(value)) for key, value in card.architecture.items()),
                ("SHA-256 of model.onnx", f"`{card.model_sha256}`"),
            ]
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_cards(out: Path) -> None:
    """Write the page of each model into ``out/reference/models``."""
    folder = out / "reference" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for card in cards():
        (folder / f"{card.name}.md").write_text(card_page(card), encoding="utf-8")


def _facts(card: Card) -> str:
    return _table(
        [("Version", card.version), ("Kind", card.kind), ("Licence of the weights", card.licence)]
        + ([("Outputs", ", ".join(card.classes))] if card.classes else [])
    )


def _metrics(figures: Sequence[CardMetric]) -> str:
    """A table of metrics for each set of cases and reference, in the order of the card."""
    parts: dict[tuple[str, str], list[CardMetric]] = {}
    for figure in figures:
        parts.setdefault((figure.split, figure.reference), []).append(figure)
    return "\n\n".join(
        f"Measured on: {split}. Reference: {reference}.\n\n{_metric_table(rows)}"
        for (split, reference), rows in parts.items()
    )


def _metric_table(figures: Sequence[CardMetric]) -> str:
    lines = [
        "| Metric | Value | 95 % confidence interval | Constant baseline | n |",
        "|---|--:|---|--:|--:|",
    ]
    for f in figures:
        unit = f" {f.unit}" if f.unit else ""
        interval = f"{f.low:.3g} to {f.high:.3g}" if f.low < f.high else ""
        baseline = "" if f.trivial is None else f"{f.trivial:.3g}"
        lines.append(f"| `{f.name}` | {f.value:.3g}{unit} | {interval} | {baseline} | {f.n} |")
    return "\n".join(lines)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| Field | Value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
