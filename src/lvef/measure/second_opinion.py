"""The EF of another model on the same clip. It never changes the EF of the result; a warning says where the two differ."""

from __future__ import annotations

from dataclasses import replace

from lvef.core.errors import ConfigError, WeightsError
from lvef.core.records import CodedWarning, Measurement, SecondOpinion
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, SEGMENTATION, VOLUME_TRACE, Decision
from lvef.core.wording import MODELS_DISAGREE
from lvef.inference.card import MARK
from lvef.inference.catalogue import ModelEntry, find_model, list_models
from lvef.measure.options import AUTO
from lvef.measure.results import EXPERIMENTAL_MODEL
from lvef.measure.thresholds import Thresholds

KIND_ORDER = (VOLUME_TRACE, SEGMENTATION, EF_CLIP, EF_TWO_STREAM)
"""Best first. The volume tracing had the smallest error of the other kinds on nine clips of another hospital (10.6 points;
EF models 11.5 and 12.1), and contours: it can also measure stills and biplane studies."""


def second_model(name: str, first: ModelEntry) -> str:
    """Name of the model that gives the second opinion.

    Args:
        name: As asked for, or `AUTO`.
        first: The model whose opinion is the first.

    Raises:
        ConfigError: It is the same model.
        WeightsError: There is no such model, or no other kind is installed.
    """
    if name != AUTO:
        if find_model(name).card.model_sha256 == first.card.model_sha256:
            raise ConfigError(
                f"{name} measures already; a second opinion needs a different model (lvef info lists them)."
            )
        return name
    others = [e for e in list_models() if e.card.kind in KIND_ORDER and e.card.kind != first.card.kind]
    if not others:
        raise WeightsError(
            f"No model of another kind than {first.card.kind} is installed for a second opinion: run "
            'pip install "lvef[weights]", or name a model (lvef info lists them).'
        )
    return min(
        others, key=lambda entry: (KIND_ORDER.index(entry.card.kind), entry.card.experimental, entry.name)
    ).name


def with_second_opinion(first: Measurement, other: Measurement, thresholds: Thresholds) -> Measurement:
    """A measurement with what another model measured on the same clip; unchanged where it has no EF.

    Args:
        first: By the model in use.
        other: By the other model; refused and failed ones too.
        thresholds: The thresholds.
    """
    if first.ef_percent is None:
        return first
    made = other.provenance
    experimental = any(notice.code == EXPERIMENTAL_MODEL for notice in other.notices)
    weights = ("another model" if made is None else made.weights) + (f" ({MARK})" if experimental else "")
    if other.ef_percent is None:
        reason = other.reason.removeprefix(f"{other.source}: ")
        return replace(first, second_opinion=SecondOpinion(weights, None, None, reason))
    apart = other.ef_percent - first.ef_percent
    first = replace(first, second_opinion=SecondOpinion(weights, other.ef_percent, apart))
    limit = thresholds.caution_difference_points
    if abs(apart) < limit:
        return first
    text = (
        f"The models disagree: {weights} measured an EF of {other.ef_percent:.0f} %, {abs(apart):.0f} points "
        f"{'lower' if apart < 0 else 'higher'} (threshold {limit:g}). Check the contours before you use the EF."
    )
    decision = str(Decision.CAUTION) if first.decision == Decision.ACCEPTED else first.decision
    return replace(first, notices=(*first.notices, CodedWarning(MODELS_DISAGREE, text)), decision=decision)
