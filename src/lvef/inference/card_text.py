"""What a card says of its network, in words: its name with the mark, why it is experimental, its metrics."""

from __future__ import annotations

from lvef.inference.card import Card, Figure

MARK = "experimental"
"""The word beside the name of a network whose EF does not hold on other hospitals' clips."""

EF_MAE, EF_BIAS, EF_R = "ef_mae", "ef_bias", "ef_r"
"""Names of the EF metrics; in-domain followed by the patients, such as ``ef_mae_a4c``."""

NOT_VALIDATED = "no external validation"
"""Shown where a card has no external metrics."""

COST = "cost_"
"""Beginning of the names of metrics under perturbations."""


def display_name(card: Card) -> str:
    """The network's name as it is shown, with `MARK` where it is experimental."""
    return f"{card.name} ({MARK})" if card.experimental else card.name


def experimental_text(card: Card) -> str:
    """Why a network is experimental, in one sentence, its external metrics first; empty where it is not."""
    if not card.experimental:
        return ""
    parts = [_external_error_text(card)]
    inside = next((f for f in card.figures if f.name.startswith(EF_MAE)), None)
    if inside is not None:
        parts.append(f"in-domain {_format_points(inside)} points on {inside.split}")
    return f"The network {card.name} is {MARK}: {'; '.join(parts)}. Do not rely on its EF."


def metric_text(figure: Figure) -> str:
    """A metric with its 95 % confidence interval where it has one, unit, number, patients, reference and baseline."""
    value = f"{figure.value:.3g}"
    if figure.unit:
        value += f" {figure.unit}"
    if has_interval(figure):
        value += f" ({figure.low:.3g} to {figure.high:.3g})"
    parts = [value, f"n = {figure.n}", figure.split, f"reference: {figure.reference}"]
    if figure.trivial is not None:
        parts.append(f"constant median {figure.trivial:.3g}")
    return ", ".join(parts)


def has_interval(figure: Figure) -> bool:
    """Whether a metric has a confidence interval; without one both ends are its value."""
    return figure.low < figure.high


def _external_error_text(card: Card) -> str:
    error = next((f for f in card.external if f.name == EF_MAE), None)
    if error is None:
        return NOT_VALIDATED
    text = f"mean absolute error of the EF {_format_points(error)} points on {error.split}"
    text += f" (n = {error.n}, reference: {error.reference})"
    if error.trivial is not None:
        text += f", constant median {error.trivial:.1f}"
    beside = {f.name: f for f in card.external if f.split == error.split}
    if EF_BIAS in beside:
        text += f", bias {beside[EF_BIAS].value:+.1f}"
    if EF_R in beside:
        text += f", r {beside[EF_R].value:.2f}"
    return text


def _format_points(figure: Figure) -> str:
    value = f"{figure.value:.1f}"
    return f"{value} ({figure.low:.1f} to {figure.high:.1f})" if has_interval(figure) else value
