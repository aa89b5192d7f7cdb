"""What a card says of its network, in words: its name with the mark, why it is experimental, its figures."""

from __future__ import annotations

from lvef.engine.card import Card, Figure

MARK = "experimental"
"""The word beside the name of a network whose EF does not hold on other hospitals' clips."""

EF_MAE, EF_BIAS, EF_R = "ef_mae", "ef_bias", "ef_r"
"""Names of the figures that say how far an EF is off; in-domain with the patients behind, such as ``ef_mae_a4c``."""

NOT_VALIDATED = "no external validation"
"""What stands in the place of external figures where a card has none."""

COST = "cost_"
"""Beginning of the names of figures under perturbations."""


def marked_name(card: Card) -> str:
    """The network's name as it is offered or told of, with `MARK` where it is experimental."""
    return f"{card.name} ({MARK})" if card.experimental else card.name


def experimental_text(card: Card) -> str:
    """Why a network is experimental, in one sentence, its external figures first; empty where it is not."""
    if not card.experimental:
        return ""
    parts = [_external_error(card)]
    inside = next((f for f in card.figures if f.name.startswith(EF_MAE)), None)
    if inside is not None:
        parts.append(f"in-domain {_points(inside)} points on {inside.split}")
    return f"The network {card.name} is {MARK}: {'; '.join(parts)}. Do not rely on its EF."


def figure_text(figure: Figure) -> str:
    """A figure with its 95 % interval where it has one, unit, number, patients, reference and baseline."""
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
    """Whether the ends of a figure are an interval; without one both are its value."""
    return figure.low < figure.high


def _external_error(card: Card) -> str:
    error = next((f for f in card.external if f.name == EF_MAE), None)
    if error is None:
        return NOT_VALIDATED
    told = f"mean absolute error of the EF {_points(error)} points on {error.split}"
    told += f" (n = {error.n}, reference: {error.reference})"
    if error.trivial is not None:
        told += f", constant median {error.trivial:.1f}"
    beside = {f.name: f for f in card.external if f.split == error.split}
    if EF_BIAS in beside:
        told += f", bias {beside[EF_BIAS].value:+.1f}"
    if EF_R in beside:
        told += f", r {beside[EF_R].value:.2f}"
    return told


def _points(figure: Figure) -> str:
    value = f"{figure.value:.1f}"
    return f"{value} ({figure.low:.1f} to {figure.high:.1f})" if has_interval(figure) else value
